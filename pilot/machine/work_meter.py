"""Add up what a pilot's slots do: runs that succeed, other runs, and idle time. (core)

Times are seconds of a monotonic clock.
"""

from collections import Counter

from schemas.pilot.work_report import WorkReport, find_bucket

_MIB = 1024 * 1024


class WorkMeter:
    """The work of one pilot so far. It begins with the first run."""

    def __init__(self, pilot: str, n_slots: int) -> None:
        """`pilot` is a name that no other pilot has."""
        self._pilot = pilot
        self._n_slots = n_slots
        self._began_s: dict[int, float] = {}
        #: When the idle time was last added up; None before the first run.
        self._counted_s: float | None = None
        self._idle_s = self._done_s = self._lost_s = 0.0
        self._n_done = self._n_failed = 0
        self._durations: Counter[int] = Counter()
        self._last_done_s: float | None = None

    def begin_run(self, key: int, now_s: float) -> None:
        """Count a slot as busy from now on, with the run `key`."""
        self._count_idle(now_s)
        self._began_s[key] = now_s

    def end_run(self, key: int, now_s: float, *, has_failed: bool, was_interrupted: bool) -> None:
        """Add the run `key` to the work. Do nothing if it never began, or has ended."""
        if key not in self._began_s:
            return
        self._count_idle(now_s)
        took_s = max(0.0, now_s - self._began_s.pop(key))
        if has_failed or was_interrupted:
            self._lost_s += took_s
            self._n_failed += not was_interrupted
        else:
            self._done_s += took_s
            self._n_done += 1
            self._last_done_s = now_s
            self._durations[find_bucket(took_s * 1000)] += 1

    def read_work(self, now_s: float, *, wall_ms: int, peak_bytes: int) -> WorkReport | None:
        """Return all work until now. Return None before the first run.

        `wall_ms` is the present time in milliseconds since 1970. `peak_bytes` is 0 if nothing measures memory.
        """
        if self._counted_s is None:
            return None
        self._count_idle(now_s)
        return WorkReport(
            pilot=self._pilot,
            n_slots=self._n_slots,
            n_done=self._n_done,
            n_failed=self._n_failed,
            done_ms=int(self._done_s * 1000),
            lost_ms=int(self._lost_s * 1000),
            idle_ms=int(self._idle_s * 1000),
            peak_mib=-(-peak_bytes // _MIB),
            durations=dict(self._durations),
            last_done_ms=0 if self._last_done_s is None else wall_ms - int((now_s - self._last_done_s) * 1000),
        )

    def _count_idle(self, now_s: float) -> None:
        if self._counted_s is not None:
            n_idle = max(0, self._n_slots - len(self._began_s))
            self._idle_s += n_idle * max(0.0, now_s - self._counted_s)
        self._counted_s = now_s
