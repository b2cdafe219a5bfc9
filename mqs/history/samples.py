"""Samples of a queue, in columns, and their form in the database. (core)

A series holds several hundred samples of one queue. It is kept in columns, because columns of numbers that change
little compress to a few bytes a sample, and because the largest of a stretch is found at the speed of C.

The counts `n_arrived` and `n_left` only grow, so rates between any two samples are exact.
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import accumulate, pairwise
from operator import sub

#: How long a sample may stand for the following ones that are equal, in seconds. So a longer gap shows that nothing was
#: counted.
STANDS_FOR_S = 600

_VERSION = 1


@dataclass(frozen=True, slots=True)
class QueueSample:
    """The counts of one queue at one moment, `at_s` in seconds since 1970."""

    at_s: int
    n_ready: int = 0
    n_unacknowledged: int = 0
    n_delayed: int = 0
    n_consumers: int = 0
    n_arrived: int = 0
    n_left: int = 0
    #: About how long the oldest event has been in the queue, in seconds; 0 without events.
    oldest_s: int = 0

    def has_counts_of(self, other: "QueueSample") -> bool:
        """Return whether both samples have the same counts. Their times may differ."""
        return _list_numbers(self)[1:-1] == _list_numbers(other)[1:-1] and (self.oldest_s > 0) == (other.oldest_s > 0)


#: The names of the fields; the age of the oldest event is the last one.
SAMPLE_FIELDS = tuple(each.name for each in fields(QueueSample))


def _list_numbers(sample: QueueSample) -> tuple[int, ...]:
    return tuple(getattr(sample, name) for name in SAMPLE_FIELDS)


@dataclass(slots=True)
class Series:
    """Samples of one queue in order of time, a list of numbers for each field of `QueueSample`."""

    columns: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in SAMPLE_FIELDS})

    def __len__(self) -> int:
        return len(self.columns["at_s"])

    @property
    def at_s(self) -> Sequence[int]:
        """The times of the samples."""
        return self.columns["at_s"]

    def add_sample(self, sample: QueueSample) -> None:
        """Add a sample that is newer than the others."""
        for name, number in zip(SAMPLE_FIELDS, _list_numbers(sample), strict=True):
            self.columns[name].append(number)

    def read_sample(self, place: int) -> QueueSample:
        """Return the sample at `place`; -1 is the newest."""
        return QueueSample(*(self.columns[name][place] for name in SAMPLE_FIELDS))

    def replace_last(self, sample: QueueSample) -> None:
        """Put `sample` in the place of the newest one."""
        for name, number in zip(SAMPLE_FIELDS, _list_numbers(sample), strict=True):
            self.columns[name][-1] = number


def merge_peaks(before: QueueSample, after: QueueSample) -> QueueSample:
    """Return one sample for both: the highest depths and age, and the counts of `after`, which is the newer one."""
    return QueueSample(
        at_s=after.at_s,
        n_ready=max(before.n_ready, after.n_ready),
        n_unacknowledged=max(before.n_unacknowledged, after.n_unacknowledged),
        n_delayed=max(before.n_delayed, after.n_delayed),
        n_consumers=after.n_consumers,
        n_arrived=after.n_arrived,
        n_left=after.n_left,
        oldest_s=max(before.oldest_s, after.oldest_s),
    )


def pack_series(series: Series) -> bytes:
    """Return a series as bytes: the differences in each column, compressed."""
    parts = [struct.pack("<BI", _VERSION, len(series))]
    for name in SAMPLE_FIELDS:
        column = series.columns[name]
        steps = list(map(sub, column, [0, *column[:-1]]))
        parts.append(struct.pack(f"<{len(steps)}q", *steps))
    return zlib.compress(b"".join(parts), 6)


def unpack_series(packed: bytes) -> Series:
    """Return the series that `pack_series` has packed.

    Raises:
        ValueError: the bytes are of another version.
    """
    data = zlib.decompress(packed)
    version, n = struct.unpack_from("<BI", data)
    if version != _VERSION:
        raise ValueError(f"a series of version {version} is unknown")
    found = Series()
    for place, name in enumerate(SAMPLE_FIELDS):
        steps = struct.unpack_from(f"<{n}q", data, struct.calcsize("<BI") + place * n * 8)
        found.columns[name] = list(accumulate(steps))
    return found


def join_series(parts: Iterable[Series]) -> Series:
    """Return the samples of several series in order of time. Of samples of the same second, the last one stays.

    The parts may overlap. This sorts all samples once.
    """
    listed = sorted((part for part in parts if len(part)), key=lambda part: part.at_s[0])
    columns = {name: [number for part in listed for number in part.columns[name]] for name in SAMPLE_FIELDS}
    times = columns["at_s"]
    places = sorted(range(len(times)), key=times.__getitem__)
    kept = [one for one, following in pairwise(places) if times[one] != times[following]] + places[-1:]
    return Series({name: [column[place] for place in kept] for name, column in columns.items()})
