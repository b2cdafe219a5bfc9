"""Count a cluster's jobs by status, from the events in its log. (core)

Two writers share one job event log: HTCondor logs a job's status, and the pilot in the job chirps its own status.

    {"RUNNING": {"Tasking": 41, "null": 3}, "HELD: Memory usage exceeds a memory limit": {"Tasking": 1}}

A job takes two bytes: the index of its status, and the index of its pilot's last word. Each event updates the counts,
so a snapshot of 100 000 jobs costs no more than its few statuses.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from schemas.fleet.pilot_kills import PilotKills
from schemas.fleet.statuses import SILENT, CompoundStatuses, JobStatus, PilotStatus, TopTaskErrors
from schemas.fleet.worker_times import Activity
from schemas.pilot.job_names import ChirpAttribute
from tms.jobs.restarts import PAUSE_CODE, SIGNAL_MARK, find_signal
from tms.jobs.trials import Trials
from tms.log.hold_reasons import hold_class, hold_reason
from tms.log.job_events import (
    ClusterRemoved,
    ClusterSubmitted,
    EventType,
    JobEnded,
    JobEvent,
    JobHeld,
    JobMoved,
    JobRequeued,
    PilotChirped,
    count_ms,
)
from tms.log.kill_counts import count_kill
from tms.log.log_rules import (
    AFTER_NO_END,
    ENDS,
    IDLE,
    INDEX,
    INDEX_AFTER,
    LOSES_CONTACT,
    MAX_ERROR_LENGTH,
    MAX_ERRORS,
    MAX_HOLD_REASONS,
    MAX_PROCS,
    MAX_SLOTS,
    MAX_WORDS,
    ON_A_WORKER,
    OTHER,
    RUNNING,
    SILENCED,
    SUSPENDED,
    TOP_ERRORS,
    UNSEEN,
    choose_shown_word,
    find_or_add_word,
)
from tms.log.worker_times import WorkerTimeTally, find_activity

_STATUS, _ERROR = ChirpAttribute.STATUS.short_name, ChirpAttribute.ERROR.short_name
_TASKS_SUCCESS, _BAD_MACHINE = ChirpAttribute.TASKS_SUCCESS.short_name, ChirpAttribute.BAD_MACHINE.short_name
_WORK = ChirpAttribute.WORK.short_name


@dataclass(slots=True)
class Tally:
    """The jobs of one cluster according to its log, and how many jobs have each status.

    The tally depends only on the log: TMS may read the log again from its first byte, in parts of any size.
    """

    n_workers: int
    #: By ProcId: `jobs` has indexes into `statuses`, `pilots` has indexes into `words`.
    jobs: bytearray = field(default_factory=bytearray)
    pilots: bytearray = field(default_factory=bytearray)
    statuses: list[str] = field(default_factory=lambda: ["", *map(str, JobStatus)])
    words: list[str] = field(default_factory=lambda: [SILENT, *map(str, PilotStatus)])
    #: ProcId -> the job's last error.
    errors: dict[int, str] = field(default_factory=dict)
    #: Exit code (minus a signal's number) -> how many jobs ended with it.
    exits: Counter[int] = field(default_factory=Counter)
    #: The number of a signal -> how often it ended a pilot, and when last. The job mostly starts again.
    kills: dict[int, PilotKills] = field(default_factory=dict)
    #: ProcId -> the slot of the job's last run, for `kills`. Of a job beyond `MAX_SLOTS` the slot is unknown.
    slots: dict[int, str] = field(default_factory=dict)
    cluster_id: int | None = None
    removed: ClusterRemoved | None = None
    #: The findings of the pilots: the bad workers, and the successful ones.
    trials: Trials = field(default_factory=Trials)
    #: How long the workers did what.
    times: WorkerTimeTally = field(default_factory=WorkerTimeTally)
    #: The jobs whose run on a worker has ended and which may start again. The reader of the log empties this set.
    ended_runs: set[int] = field(default_factory=set, compare=False)
    #: Reason -> how many holds the log has shown. The reader of the log empties this counter, too.
    new_holds: Counter[str] = field(default_factory=Counter, compare=False)
    _counts: Counter[tuple[int, int]] = field(default_factory=Counter)
    _n_errors: Counter[str] = field(default_factory=Counter)
    _n_seen: int = 0

    @classmethod
    def from_parts(
        cls,
        *,
        n_workers: int,
        jobs: bytes,
        pilots: bytes,
        statuses: list[str],
        words: list[str],
        errors: Mapping[int, str],
        exits: Mapping[int, int],
        kills: Mapping[int, PilotKills],
        slots: Mapping[int, str],
        cluster_id: int | None,
        removed: ClusterRemoved | None,
        trials: Trials,
        times: WorkerTimeTally,
    ) -> Self:
        """Return the tally with the parts from a checkpoint. Its counts are computed anew."""
        tally = cls(
            n_workers,
            bytearray(jobs),
            bytearray(pilots),
            statuses,
            words,
            dict(errors),
            Counter(exits),
            dict(kills),
            dict(slots),
            cluster_id,
            removed,
            trials,
            times,
        )
        for proc, job in enumerate(tally.jobs):
            if job != UNSEEN:
                tally._counts[job, choose_shown_word(tally.pilots[proc])] += 1
                tally._n_seen += 1
        tally._n_errors.update(tally.errors.values())
        return tally

    def fold_events(self, events: Iterable[JobEvent]) -> None:
        """Update the tally by `events`, which must be in the order of the log."""
        # This runs once an event. `isinstance` is cheaper than `match`, which tries its patterns one after another.
        for event in events:
            if isinstance(event, PilotChirped):
                self.times.now_ms = event.at_ms or self.times.now_ms
                if event.attribute == _STATUS:
                    self._note_chirp(event.proc, event.value)
                elif event.attribute == _ERROR:
                    self._note_error(event.proc, event.value)
                elif event.attribute == _TASKS_SUCCESS:
                    self.trials.note_success(event.proc)
                elif event.attribute == _BAD_MACHINE:
                    self.trials.note_bad_worker(event.proc, event.value)
                elif event.attribute == _WORK:
                    self.times.note_report(event.proc, event.value, is_running=self._is_in(event.proc, ON_A_WORKER))
            elif isinstance(event, JobMoved):
                self.times.now_ms = event.at_ms or self.times.now_ms
                status = INDEX_AFTER.get(event.type)
                if status is not None:
                    self._move_job(event.proc, status)
                    if event.slot and (event.proc in self.slots or len(self.slots) < MAX_SLOTS):
                        self.slots[event.proc] = event.slot
                elif event.type in LOSES_CONTACT:
                    self._note_contact(event.proc, is_lost=LOSES_CONTACT[event.type])
                if event.type is EventType.JOB_EVICTED:
                    self.ended_runs.add(event.proc)
            else:
                self._fold_rare(event)

    def _fold_rare(self, event: JobEvent) -> None:
        if not isinstance(event, JobMoved | PilotChirped | ClusterSubmitted) and event.at:
            self.times.now_ms = count_ms(event.at)
        match event:
            case JobHeld(proc, code, subcode, at):
                self.ended_runs.add(proc)
                self.new_holds[hold_class(code)] += 1
                if code == PAUSE_CODE:
                    self._note_kill(proc, subcode // SIGNAL_MARK, at)
                status = f"{JobStatus.HELD}: {hold_reason(code, subcode)}"
                self._move_job(
                    proc, find_or_add_word(self.statuses, status, limit=MAX_HOLD_REASONS, other=JobStatus.HELD)
                )
            case JobRequeued(proc, exit_code, at):
                self.ended_runs.add(proc)
                self._note_kill(proc, find_signal(exit_code), at)
                self._move_job(proc, INDEX[JobStatus.IDLE])
            case JobEnded(proc, exit_code, at):
                if not self._is_in(proc, ENDS):
                    self.exits[exit_code] += 1
                    self._note_kill(proc, find_signal(exit_code), at)
                self._move_job(proc, INDEX[JobStatus.COMPLETED])
            case ClusterSubmitted(cluster_id):
                self.cluster_id = cluster_id
            case ClusterRemoved():
                self.removed = event

    def count_statuses(self) -> CompoundStatuses:
        """Return the number of jobs by status, then by the pilot's last status. Jobs that do not exist yet count too.

        Late materialization makes jobs as HTCondor needs them. Until then they count as idle; if the cluster leaves
        first, they count as removed.
        """
        statuses: CompoundStatuses = {}
        for (job, pilot), n_jobs in self._counts.items():
            if n_jobs:
                statuses.setdefault(self.statuses[job], {})[self.words[pilot]] = n_jobs
        if (n_unmade := self.n_workers - self._n_seen) > 0:
            silent = statuses.setdefault(str(JobStatus.REMOVED if self.removed else JobStatus.IDLE), {})
            silent[SILENT] = silent.get(SILENT, 0) + n_unmade
        return statuses

    def list_job_statuses(self) -> Iterator[tuple[int, str]]:
        """Yield the ProcId and the status of each job that the log has named, in the order of the ProcIds."""
        return ((proc, self.statuses[job]) for proc, job in enumerate(self.jobs) if job != UNSEEN)

    def top_errors(self) -> TopTaskErrors:
        """Return the commonest last errors with their numbers of jobs: ten errors at most, the commonest first."""
        return dict(self._n_errors.most_common(TOP_ERRORS))

    def _note_kill(self, proc: int, number: int, at: datetime | None) -> None:
        """Count a pilot of the job `proc` that the signal `number` ended; 0: no signal did."""
        if number > 0:
            count_kill(self.kills, number, worker=proc, slot=self.slots.get(proc, ""), at=at)

    def _is_in(self, proc: int, statuses: tuple[int, ...]) -> bool:
        return proc < len(self.jobs) and self.jobs[proc] in statuses

    def _move_job(self, proc: int, status: int) -> None:
        if not self._make_room(proc):
            return
        if status in AFTER_NO_END and self._is_in(proc, ENDS):
            # A job ends once. A repeated record, or the record of a late removal, is not a second end.
            return
        before, pilot = self.jobs[proc], self.pilots[proc]
        if status == IDLE:
            pilot = pilot | SILENCED if before in ON_A_WORKER else pilot if before == IDLE else 0
        elif status == RUNNING and before != SUSPENDED:
            pilot = 0
        else:
            pilot &= ~SILENCED
        self._place_job(proc, status, pilot)

    def _note_contact(self, proc: int, *, is_lost: bool) -> None:
        """Hide the pilot's last word of a running job while HTCondor cannot reach the job's machine."""
        if self._is_in(proc, ON_A_WORKER):
            pilot = self.pilots[proc]
            self._place_job(proc, self.jobs[proc], pilot | SILENCED if is_lost else pilot & ~SILENCED)

    def _note_chirp(self, proc: int, word: str) -> None:
        if not self._make_room(proc):
            return
        pilot = find_or_add_word(self.words, word, limit=MAX_WORDS, other=OTHER)
        # Only a running job can chirp. So a chirp shows that a job runs, even if a torn write has destroyed its earlier
        # events. A chirp that was logged after its job had stopped does not move the job.
        status = self.jobs[proc] if self.jobs[proc] != UNSEEN else RUNNING
        self._place_job(proc, status, pilot | SILENCED if status == IDLE else pilot)

    def _note_error(self, proc: int, text: str) -> None:
        if proc >= MAX_PROCS:
            return
        if (before := self.errors.pop(proc, None)) is not None:
            self._n_errors[before] -= 1
            if not self._n_errors[before]:
                del self._n_errors[before]
        text = text[:MAX_ERROR_LENGTH]
        if not text:
            return
        if text not in self._n_errors and len(self._n_errors) >= MAX_ERRORS:
            text = OTHER
        self.errors[proc] = text
        self._n_errors[text] += 1

    def _make_room(self, proc: int) -> bool:
        if proc >= len(self.jobs):
            if proc >= MAX_PROCS:
                return False
            missing = bytes(proc + 1 - len(self.jobs))
            self.jobs += missing
            self.pilots += missing
        return True

    def _place_job(self, proc: int, status: int, pilot: int) -> None:
        before, said = self.jobs[proc], self.pilots[proc]
        if before == status and said == pilot:
            return
        if before == UNSEEN:
            self._n_seen += 1
        else:
            self._counts[before, choose_shown_word(said)] -= 1
        self.jobs[proc], self.pilots[proc] = status, pilot
        self.times.move_worker(self._find_activity(before, said), self._find_activity(status, pilot))
        if status in ENDS:
            self.times.reports.pop(proc, None)
        self._counts[status, choose_shown_word(pilot)] += 1

    def _find_activity(self, status: int, pilot: int) -> Activity | None:
        return find_activity(status, self.words[pilot & ~SILENCED], is_silenced=bool(pilot & SILENCED))
