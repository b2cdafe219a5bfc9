"""Explain to a user why no slot of a pool can ever take a job. (core)

Every slot counts as if nothing ran in it. So a job that only waits for the end of other jobs is not unmatched.

    no slot offers 999 GB of memory; the largest has 16 GB; ask for worker_memory=16G or less
    no slot offers 4 cores with 30 GB of memory together
    no slot meets 'OpSysAndVer == "Plan9"'
"""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.explain.unmatched import unmatched_text
from schemas.rules.sizes import print_setting, print_size
from tms.jobs.restarts import AVOIDS

_OPENING = {"(": ")", "[": "]", "{": "}"}
_MAX_SHOWN = 300


@dataclass(frozen=True, slots=True)
class SlotResources:
    """The resources that a job asks for, or that a whole slot has."""

    cores: float
    memory_bytes: float
    disk_bytes: float

    def can_hold(self, need: "SlotResources") -> bool:
        """Return whether a job that needs the resources `need` fits here."""
        return (
            self.cores >= need.cores and self.memory_bytes >= need.memory_bytes and self.disk_bytes >= need.disk_bytes
        )


def explain_size(need: SlotResources, slots: Sequence[SlotResources], *, slot: str = "slot") -> str:
    """Return a text that names the size that no slot offers, and the largest offer. Return "" if a slot can hold
    `need`.
    """
    if not slots:
        return "the pool has no slots now"
    if any(room.can_hold(need) for room in slots):
        return ""
    most = SlotResources(
        *(max(sizes) for sizes in zip(*((s.cores, s.memory_bytes, s.disk_bytes) for s in slots), strict=True))
    )
    if need.cores > most.cores:
        reason = f"no {slot} offers {need.cores:g} cores; the largest has {most.cores:g}"
        return unmatched_text(reason, "n_cores", f"{int(most.cores)}")
    for name, field, needed, there_is in (
        ("memory", "worker_memory", need.memory_bytes, most.memory_bytes),
        ("disk", "worker_disk", need.disk_bytes, most.disk_bytes),
    ):
        if needed > there_is:
            reason = f"no {slot} offers {print_size(needed)} of {name}; the largest has {print_size(there_is)}"
            return unmatched_text(reason, field, print_setting(there_is))
    together = f"{print_size(need.memory_bytes)} of memory and {print_size(need.disk_bytes)} of disk"
    return f"no {slot} offers {need.cores:g} cores with {together} together"


def explain_requirements(clauses: Sequence[str], met: Sequence[Sequence[bool]]) -> str:
    """Return a text that names the first of `clauses` that no slot meets. Return "" if one slot meets all clauses.

    `met` has a row for each slot, with a value for each clause. If each clause is met somewhere, the text names them
    all.
    """
    if any(all(row) for row in met):
        return ""
    for n, clause in enumerate(clauses):
        if not any(row[n] for row in met):
            return f"no slot meets {_shorten_text(clause)}"
    return f"no slot meets all requirements together: {_shorten_text(' && '.join(clauses))}"


def drop_avoidance(clauses: Sequence[str]) -> list[str]:
    """Return `clauses` without the clause that makes a job avoid machines for a while. The job does not need that
    clause.
    """
    return [clause for clause in clauses if AVOIDS not in clause]


def split_conjuncts(expression: str) -> list[str]:
    """Return the parts that `&&` joins at the top level of a ClassAd expression, without outer brackets."""
    parts, begin, expected = [], 0, [""]
    is_quoted, position = "", 0
    while position < len(expression):
        char = expression[position]
        if is_quoted:
            if char == "\\":
                position += 1
            elif char == is_quoted:
                is_quoted = ""
        elif char in "\"'":
            is_quoted = char
        elif char in _OPENING:
            expected.append(_OPENING[char])
        elif char == expected[-1]:
            expected.pop()
        elif len(expected) == 1 and (char in "?:" or expression.startswith("||", position)):
            # These operators bind weaker than `&&`, so the whole is one part.
            if expression[position - 1 : position] != "=" and expression[position + 1 : position + 2] != "=":
                return [_strip_brackets(expression)]
        elif len(expected) == 1 and expression.startswith("&&", position):
            parts.append(expression[begin:position])
            position += 1
            begin = position + 1
        position += 1
    parts.append(expression[begin:])
    if len(parts) == 1:
        inner = _strip_brackets(expression)
        return [inner] if inner == expression.strip() else split_conjuncts(inner)
    return [part for whole in parts for part in split_conjuncts(whole)]


def _strip_brackets(part: str) -> str:
    """Return `part` without the pair of brackets around the whole text, if there is such a pair."""
    part = part.strip()
    if not part.startswith("("):
        return part
    depth, is_quoted, position = 0, False, 0
    while position < len(part):
        char = part[position]
        if char == "\\" and is_quoted:
            position += 1
        elif char == '"':
            is_quoted = not is_quoted
        elif not is_quoted:
            depth += (char == "(") - (char == ")")
            if depth == 0:
                return part[1:-1].strip() if position == len(part) - 1 else part
        position += 1
    return part


def _shorten_text(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")
