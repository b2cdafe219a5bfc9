"""The newest samples of queues, which are not in a full document yet. (core)

A sample that equals the one before is skipped. Once the queue changes, the last skipped sample is added after all: so
a change begins where it began, and its rate does not spread over the idle time before it.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from mqs.history.oldest import OldestEvent
from mqs.history.samples import SAMPLE_FIELDS, STANDS_FOR_S, QueueSample, Series, merge_peaks

MINUTE_S = 60


class HistoryDetail(StrEnum):
    """How finely a series shows a queue."""

    RAW = "raw"
    MINUTE = "minute"


@dataclass(slots=True)
class OpenSeries:
    """The samples of one queue in one detail, since the last full document."""

    detail: HistoryDetail
    samples: Series = field(default_factory=Series)
    #: The newest sample, if it equals the last one of `samples`.
    skipped: QueueSample | None = None
    #: Whether the database lacks the newest of `samples`.
    is_changed: bool = False

    def note_sample(self, sample: QueueSample) -> None:
        """Add a sample, skip it because nothing has changed, or put it together with that of the same minute."""
        if not len(self.samples):
            self._add_sample(sample)
            return
        last = self.samples.read_sample(-1)
        if sample.at_s <= (self.skipped or last).at_s:
            return
        is_equal = sample.has_counts_of(last)
        if is_equal and sample.at_s - last.at_s < STANDS_FOR_S:
            self.skipped = sample
            return
        is_minute = self.detail is HistoryDetail.MINUTE
        is_short = is_minute and self.skipped is not None and self.skipped.at_s - last.at_s <= MINUTE_S
        if self.skipped is not None and not is_equal and not is_short:
            self._add_sample(self.skipped)
            self._add_sample(sample)
        elif is_minute and sample.at_s // MINUTE_S == last.at_s // MINUTE_S:
            self.samples.replace_last(merge_peaks(last, sample))
            self.skipped, self.is_changed = None, True
        else:
            self._add_sample(sample)

    def copy_samples(self) -> Series:
        """Return all samples until now, in lists of their own."""
        copied = Series({name: list(column) for name, column in self.samples.columns.items()})
        if self.skipped is not None:
            copied.add_sample(self.skipped)
        return copied

    def begin_next(self) -> None:
        """Forget all samples but the last one. It begins the next document, so that the following rate is known."""
        last = self.samples.read_sample(-1)
        self.samples = Series()
        self.samples.add_sample(last)

    def _add_sample(self, sample: QueueSample) -> None:
        self.samples.add_sample(sample)
        self.skipped, self.is_changed = None, True


@dataclass(slots=True)
class OpenQueue:
    """The newest samples of one queue, in each detail."""

    series: dict[HistoryDetail, OpenSeries] = field(
        default_factory=lambda: {detail: OpenSeries(detail) for detail in HistoryDetail}
    )
    oldest: OldestEvent = field(default_factory=OldestEvent)

    def note_sample(self, sample: QueueSample) -> None:
        """Take a sample. It may lack the age of the oldest event, which this estimates."""
        n_held = sample.n_ready + sample.n_unacknowledged + sample.n_delayed
        oldest_s = self.oldest.note_counts(sample.at_s, n_arrived=sample.n_arrived, n_left=sample.n_left, n_held=n_held)
        whole = QueueSample(**{name: getattr(sample, name) for name in SAMPLE_FIELDS[:-1]}, oldest_s=oldest_s)
        for series in self.series.values():
            series.note_sample(whole)
