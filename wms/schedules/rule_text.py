"""Read a recurrence from the text of a schedule's field `rrule`. (core)

    DTSTART;TZID=Europe/Berlin:20260101T023000 RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,FR EXDATE:20260102T023000

Lines are separated by white space. A text that RFC 5545 does not allow, and a rule that would cost too much, is refused
with the part, the rule, and what to write instead.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NoReturn
from zoneinfo import ZoneInfo

from schemas.errors import Rejected
from wms.schedules.recurrence import SHORT, Frequency, Recurrence, Rule, has_days_each_year

MAX_TEXT = 10_000
#: The longest COUNT: a rule that counts has to be walked from its start.
MAX_COUNT = 999
_MAX_RULES = 10
_MAX_DATES = 500
_MAX_INTERVAL = 100_000
#: How often a day a rule of days, weeks, months or years may occur.
_MAX_TIMES_A_DAY = 48
_FIRST_YEAR, _LAST_YEAR = 1970, 2199
#: Further times have no instant in each time zone.
_FIRST_TIME, _LAST_TIME = datetime(1900, 1, 1), datetime(9998, 12, 31, 23, 59, 59)
_TIME = re.compile(r"(\d{8}T\d{6})(Z?)", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,6}", re.ASCII)
_WEEKDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
#: The parts that hold numbers, and the largest number of each. Those of days and weeks may count from the end, too.
_LARGEST: Mapping[str, int] = {
    "BYSETPOS": 366,
    "BYMONTH": 12,
    "BYMONTHDAY": 31,
    "BYYEARDAY": 366,
    "BYWEEKNO": 53,
    "BYHOUR": 23,
    "BYMINUTE": 59,
    "BYSECOND": 59,
}
_FROM_END = frozenset({"BYSETPOS", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO"})
_FROM_ZERO = frozenset({"BYHOUR", "BYMINUTE", "BYSECOND"})
_YEARLY, _MONTHLY = frozenset({Frequency.YEARLY}), frozenset({Frequency.YEARLY, Frequency.MONTHLY})
#: The frequencies with which a part has a meaning, where not all have.
_FITS: Mapping[str, frozenset[Frequency]] = {
    "BYWEEKNO": _YEARLY,
    "BYYEARDAY": _YEARLY | SHORT,
    "BYMONTHDAY": frozenset(Frequency) - {Frequency.WEEKLY},
    "BYSETPOS": frozenset(Frequency) - SHORT,
}


def read_recurrence(text: str) -> Recurrence:
    """Return the recurrence that `text` says.

    Raises:
        Rejected: the text is no recurrence, or breaks a limit.
    """
    if len(text) > MAX_TEXT:
        _refuse(f"it has {len(text)} characters, at most {MAX_TEXT} are allowed", "split it into several schedules")
    lines = [_split_line(line) for line in text.split()]
    starts = [(parameters, value) for name, parameters, value in lines if name == "DTSTART"]
    if len(starts) != 1:
        n = "no DTSTART is" if not starts else "several DTSTART are"
        _refuse(f"{n} there, one is required", "begin with DTSTART;TZID=Europe/Berlin:20260101T020000")
    starts_at, zone = _read_start(*starts[0])
    rules: dict[str, list[Rule]] = {"RRULE": [], "EXRULE": []}
    dates: dict[str, list[datetime]] = {"RDATE": [], "EXDATE": []}
    for name, parameters, value in lines:
        if name in rules:
            if parameters:
                _refuse(f"{name} takes no parameters: {';'.join(parameters)}", f"write {name}:FREQ=...")
            rules[name].append(_read_rule(name, value, zone))
        elif name in dates:
            dates[name] += _read_dates(name, parameters, value, zone)
    if not rules["RRULE"]:
        _refuse("no RRULE is there, one is required", "add RRULE:FREQ=DAILY;INTERVAL=1")
    if sum(map(len, rules.values())) > _MAX_RULES:
        _refuse(f"more than {_MAX_RULES} rules are there", "split them into several schedules")
    if sum(map(len, dates.values())) > _MAX_DATES:
        _refuse(f"more than {_MAX_DATES} dates are there", "write a rule instead of RDATE and EXDATE")
    return Recurrence(
        starts_at=starts_at,
        zone=zone,
        rules=tuple(rules["RRULE"]),
        excluded_rules=tuple(rules["EXRULE"]),
        dates=tuple(dates["RDATE"]),
        excluded_dates=frozenset(dates["EXDATE"]),
    )


def _refuse(reason: str, hint: str) -> NoReturn:
    raise Rejected(f"{reason}; {hint}", hint=hint)


def _split_line(line: str) -> tuple[str, list[str], str]:
    head, colon, value = line.partition(":")
    name, *parameters = head.split(";")
    if not colon or name.upper() not in ("DTSTART", "RRULE", "EXRULE", "RDATE", "EXDATE"):
        _refuse(f"{line[:80]!r} is none of DTSTART, RRULE, EXRULE, RDATE and EXDATE", "write NAME:VALUE")
    return name.upper(), parameters, value


def _read_start(parameters: list[str], value: str) -> tuple[datetime, ZoneInfo]:
    zone = _read_zone("DTSTART", parameters)
    found = _TIME.fullmatch(value)
    if found is None:
        _refuse(f"DTSTART: {value[:80]!r} is no time", "write it as 20260101T020000")
    if (zone is None) != bool(found[2]):
        _refuse(
            "DTSTART: it must have a time zone, and only one",
            "write DTSTART;TZID=Europe/Berlin:20260101T020000, or DTSTART:20260101T020000Z for UTC",
        )
    starts_at = _read_wall("DTSTART", found[1])
    if not _FIRST_YEAR <= starts_at.year <= _LAST_YEAR:
        _refuse(f"DTSTART: the year must be from {_FIRST_YEAR} to {_LAST_YEAR}", "begin at a date of these years")
    return starts_at, zone or ZoneInfo("UTC")


def _read_zone(name: str, parameters: list[str]) -> ZoneInfo | None:
    zone: ZoneInfo | None = None
    for each in parameters:
        key, _, value = each.partition("=")
        if key.upper() == "TZID" and zone is None:
            try:
                zone = ZoneInfo(value)
            except (ValueError, OSError, KeyError):
                _refuse(f"{name}: there is no time zone {value[:80]!r}", "name one as Europe/Berlin or UTC")
        elif each.upper() != "VALUE=DATE-TIME":
            _refuse(f"{name}: the parameter {each[:80]!r} is not supported", "TZID=... is, once")
    return zone


def _read_wall(name: str, digits: str) -> datetime:
    try:
        wall = datetime.strptime(digits, "%Y%m%dT%H%M%S")
    except ValueError:
        _refuse(f"{name}: {digits!r} is no date with a time", "write it as 20260131T020000")
    if not _FIRST_TIME <= wall <= _LAST_TIME:
        years = f"{_FIRST_TIME.year} to {_LAST_TIME.year}"
        _refuse(f"{name}: the year of {digits!r} must be from {years}", "name a date of these years")
    return wall


def _read_dates(name: str, parameters: list[str], value: str, zone: ZoneInfo) -> list[datetime]:
    """Return instants. A time that clocks show twice means both in an EXDATE, and the first one in an RDATE."""
    own_zone = _read_zone(name, parameters)
    found: list[datetime] = []
    for text in value.split(","):
        match = _TIME.fullmatch(text)
        if match is None or (match[2] and own_zone is not None):
            _refuse(f"{name}: {text[:80]!r} is no time", "write it as 20260101T020000, or with a Z for UTC")
        wall = _read_wall(name, match[1])
        where = ZoneInfo("UTC") if match[2] else own_zone or zone
        instants = [wall.replace(tzinfo=where, fold=fold).astimezone(UTC) for fold in (0, 1)]
        found += instants if name == "EXDATE" else instants[:1]
    return found


def _read_rule(name: str, value: str, zone: ZoneInfo) -> Rule:
    given: dict[str, str] = {}
    for pair in value.upper().split(";"):
        key, equals, text = pair.partition("=")
        if not equals or key in given:
            _refuse(f"{name}: {pair[:80]!r} is {'given twice' if equals else 'no part'}", "write NAME=VALUE once")
        given[key] = text
    if unknown := sorted(given.keys() - _LARGEST.keys() - {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY"}):
        _refuse(f"{name}: there is no part {unknown[0][:80]!r}", "use the parts of RFC 5545")
    if given.get("FREQ") not in list(Frequency):
        shown = given.get("FREQ", "")[:80]
        _refuse(f"{name}: FREQ must be one of {', '.join(Frequency)}, and not {shown!r}", "write FREQ=DAILY")
    frequency = Frequency(given["FREQ"])
    if "COUNT" in given and "UNTIL" in given:
        _refuse(f"{name}: COUNT and UNTIL are both there, one is allowed", "leave one out")
    rule = Rule(
        frequency=frequency,
        interval=_read_one(name, "INTERVAL", given.get("INTERVAL", "1"), _MAX_INTERVAL),
        count=_read_one(name, "COUNT", given["COUNT"], MAX_COUNT, "use UNTIL") if "COUNT" in given else None,
        until=_read_until(name, given["UNTIL"], zone) if "UNTIL" in given else None,
        week_start=_read_weekdays(name, "WKST", given.get("WKST", "MO"))[0][0],
        parts={key: _read_numbers(name, key, given[key]) for key in _LARGEST if key in given},
        weekdays=_read_weekdays(name, "BYDAY", given["BYDAY"]) if "BYDAY" in given else (),
    )
    _check_parts(name, rule)
    return rule


def _read_one(name: str, key: str, text: str, largest: int, hint: str = "") -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and 1 <= int(text) <= largest):
        _refuse(f"{name}: {key} must be a whole number from 1 to {largest}", hint or f"write {key}=1")
    return int(text)


def _read_until(name: str, text: str, zone: ZoneInfo) -> datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        _refuse(f"{name}: UNTIL: {text[:80]!r} is no time", "write it as 20261231T235959Z")
    where = ZoneInfo("UTC") if match[2] else zone
    return _read_wall(f"{name}: UNTIL", match[1]).replace(tzinfo=where).astimezone(UTC)


def _read_numbers(name: str, key: str, text: str) -> tuple[int, ...]:
    largest, values = _LARGEST[key], []
    for part in text.split(","):
        number = int(part) if _NUMBER.fullmatch(part) else None
        smallest = -largest if key in _FROM_END else 0
        if number is None or not smallest <= number <= largest or (number == 0 and key not in _FROM_ZERO):
            from_end = f", or from -{largest} to -1" if key in _FROM_END else ""
            first = 0 if key in _FROM_ZERO else 1
            _refuse(f"{name}: {key}: {part[:80]!r} is no number from {first} to {largest}{from_end}", "correct it")
        values.append(number)
    return tuple(sorted(set(values)))


def _read_weekdays(name: str, key: str, text: str) -> tuple[tuple[int, int], ...]:
    found = []
    for part in text.split(","):
        match = _WEEKDAY.fullmatch(part)
        number = int(match[1]) if match and match[1] else 0
        if match is None or (match[1] and number == 0) or (key == "WKST" and (number or "," in text)):
            _refuse(f"{name}: {key}: {part[:80]!r} is no day", f"use {', '.join(_DAYS)}")
        found.append((_DAYS.index(match[2]), number))
    return tuple(sorted(set(found)))


def _check_parts(name: str, rule: Rule) -> None:
    """Check that the parts of a rule go together, and that it does not occur too often.

    Raises:
        Rejected: they do not, or it does.
    """
    for key, frequencies in _FITS.items():
        if key in rule.parts and rule.frequency not in frequencies:
            _refuse(f"{name}: {key} has no meaning with FREQ={rule.frequency}", f"use FREQ={min(frequencies)}")
    numbered = {bool(number) for _, number in rule.weekdays}
    if True in numbered and (rule.frequency not in _MONTHLY or "BYWEEKNO" in rule.parts):
        _refuse(f"{name}: BYDAY with numbers needs FREQ=MONTHLY or YEARLY, without BYWEEKNO", "leave the numbers out")
    if len(numbered) == 2:
        _refuse(f"{name}: BYDAY has days with and without numbers", "write two RRULE lines")
    is_of_month = rule.frequency is Frequency.MONTHLY or "BYMONTH" in rule.parts
    most = 5 if is_of_month else 53
    if any(abs(number) > most for _, number in rule.weekdays):
        period = "month" if is_of_month else "year"
        _refuse(f"{name}: BYDAY has a number over {most}, and no {period} has so many", f"use 1 to {most}")
    if len(rule.parts.get("BYSECOND", ())) > 1:
        _refuse(f"{name}: BYSECOND has several seconds", "a schedule occurs once a minute at most, so name one")
    if rule.frequency in SHORT and not has_days_each_year(rule):
        _refuse(
            f"{name}: with FREQ={rule.frequency} there must be days that fit in each year",
            "use FREQ=YEARLY with BYHOUR and BYMINUTE, or other days",
        )
    n_times = len(rule.parts.get("BYHOUR", "1")) * len(rule.parts.get("BYMINUTE", "1"))
    if rule.frequency not in SHORT and n_times > _MAX_TIMES_A_DAY:
        _refuse(f"{name}: {n_times} times a day, at most {_MAX_TIMES_A_DAY} are allowed", "use FREQ=HOURLY or MINUTELY")
