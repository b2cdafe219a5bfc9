"""Compute the report of a workflow from the totals of its taskforces. (core)

A figure that cannot be known is None, and its text says why. Nothing is guessed.
"""

import math

from schemas.api.workflows.report import Measure, ServiceTimes, TaskReport, WorkFigures, WorkflowReport
from schemas.explain.task_names import name_task
from schemas.fleet.documents import TaskDirectiveDocument
from schemas.fleet.worker_times import Activity
from schemas.pilot.prefetch import SHORT_S, count_held, count_prefetch
from schemas.pilot.work_report import list_bucket_ends
from wms.insight.work_totals import WorkTotals, add_totals, count_taskforce
from wms.insight.workflow_reading import WorkflowReading

#: With the suggested number of workers, the workers would be busy for this share of their time.
_WANTED_BUSY = 0.9
#: The suggested memory is the most that a worker has had, times this, rounded up to `_MEMORY_STEP_MIB`.
_MEMORY_ROOM = 1.2
_MEMORY_STEP_MIB = 64

_SHARE = "share of the workers' time"
_MIB = 1024 * 1024
_FROM_LOG = "from the job event log of the pool, to a second for each start and end"
_FROM_PILOTS = "from the reports of pilots"

_NO_WORKER = "no worker has run yet"
_NO_TIMES = "unknown: the TMS reports no times of workers"
_NO_REPORT = "unknown: no pilot has reported work (it chirps nothing, is older, or has had no event yet)"


def compute_report(seen: WorkflowReading) -> WorkflowReport:
    """Return the report of a workflow and of each of its tasks."""
    by_task = {
        task.task_id: add_totals(count_taskforce(each) for each in seen.taskforces if each.task_id == task.task_id)
        for task in seen.tasks
    }
    n_dead = seen.depths.n_failed if seen.depths is not None else seen.workflow.n_dead
    return WorkflowReport(
        workflow_id=seen.workflow.workflow_id,
        is_over=seen.workflow.deactivated is not None,
        figures=compute_figures(add_totals(by_task.values())),
        events_failed=Measure(
            value=n_dead,
            unit="events",
            how="dead letters and discarded events, as the queues count them"
            if n_dead is not None
            else f"unknown: the queues cannot be counted: {seen.unseen or 'they are gone'}",
        ),
        tasks=[_compute_task(task, by_task[task.task_id]) for task in seen.tasks],
    )


def compute_figures(totals: WorkTotals) -> WorkFigures:
    """Return what workers did, according to `totals`."""
    reason = _find_missing(totals)
    reported = reason or ("" if _has_reports(totals) else _NO_REPORT)
    spoken = reason or ("" if _has_spoken(totals) else _NO_REPORT)
    seconds = totals.activities
    starting_s = 0.0 if spoken else seconds.get(Activity.STARTING, 0.0)
    idle_s = seconds.get(Activity.WAITING, 0.0) + totals.idle_s
    wasted_s = seconds.get(Activity.FAILED, 0.0) + totals.lost_s
    known_s = starting_s + (0.0 if reported else totals.busy_s + idle_s + wasted_s)
    # The log has whole seconds, so what pilots report may be a little more than the workers' time.
    whole_s = max(totals.worker_s, known_s)

    def share(part_s: float, why_not: str, how: str) -> Measure:
        value = part_s / whole_s if whole_s and not why_not else None
        return Measure(value=value, unit=_SHARE, how=why_not or _note_gaps(how, totals))

    rate = totals.n_done * 3600 / totals.core_s if totals.core_s and not reported else None
    return WorkFigures(
        worker_hours=Measure(
            value=None if reason and reason != _NO_WORKER else totals.worker_s / 3600,
            unit="h",
            how=reason or _note_gaps(f"the time in which jobs ran on workers, {_FROM_LOG}", totals),
        ),
        busy=share(totals.busy_s, reported, f"the time of successful runs, by slot, {_FROM_PILOTS}"),
        starting=share(starting_s, spoken, f"from a job's start until its pilot was ready for events, {_FROM_LOG}"),
        idle=share(idle_s, reported, f"without an event, {_FROM_PILOTS}; before the first event {_FROM_LOG}"),
        wasted=share(
            wasted_s,
            reported,
            f"failed and interrupted runs, {_FROM_PILOTS}; pilots that could not go on, {_FROM_LOG}",
        ),
        unknown=share(
            whole_s - known_s,
            reason,
            "the rest: runs under way, pilots that were killed before their last report, suspended or unreachable "
            "workers, and the ends of jobs",
        ),
        events_done=_count_runs(totals.n_done, "successful runs of the task", reported, totals),
        attempts_failed=_count_runs(
            totals.n_failed, "failed runs of the task, also of repeated events", reported, totals
        ),
        events_per_core_hour=Measure(
            value=rate,
            unit="events/(core*h)",
            how=reported or _note_gaps("events done, divided by worker-hours times cores asked for", totals),
        ),
        time_to_last_success=Measure(
            value=totals.success_span_s if not reported else None,
            unit="s",
            how=reported
            or _note_gaps(
                f"from the first worker's start, {_FROM_LOG}, to the end of the last successful run, {_FROM_PILOTS}"
                if totals.success_span_s is not None
                else "unknown: no run has succeeded, or the pilots are older and do not report when",
                totals,
            ),
        ),
    )


def _compute_task(task: TaskDirectiveDocument, totals: WorkTotals) -> TaskReport:
    reported = _find_missing(totals) or ("" if totals.n_done else "unknown: no run has been reported as successful")
    mean_s = totals.service_s / totals.n_done if totals.n_done else None
    starting_s = totals.activities.get(Activity.STARTING, 0.0)
    spoken = _find_missing(totals) or ("" if _has_spoken(totals) else _NO_REPORT)
    return TaskReport(
        task_id=task.task_id,
        name=name_task(task),
        figures=compute_figures(totals),
        service_time=Measure(
            value=mean_s,
            unit="s",
            how=reported or _note_gaps(f"the time of successful runs divided by their number, {_FROM_PILOTS}", totals),
        ),
        failed_time=_measure_failed_time(totals),
        start_time=Measure(
            value=starting_s / totals.n_starts if totals.n_starts and not spoken else None,
            unit="s",
            how=spoken or _note_gaps(f"the time of starting divided by the number of starts, {_FROM_LOG}", totals),
        ),
        memory_asked=Measure(
            value=totals.memory_bytes / _MIB if totals.memory_bytes else None,
            unit="MiB",
            how="worker_memory of the task; the largest, if its taskforces differ"
            if totals.memory_bytes
            else "unknown: the task has no taskforce",
        ),
        memory_used=Measure(
            value=totals.peak_mib or None,
            unit="MiB",
            how="the most that the pilot and its task had together on one worker, looked at twice a second; memory "
            "that processes share may count for each of them"
            if totals.peak_mib
            else "unknown: no pilot has reported its memory",
        ),
        suggested_n_workers=_suggest_n_workers(totals),
        suggested_memory=_suggest_memory(totals),
        suggested_prefetch=_suggest_prefetch(mean_s, totals.n_slots),
        n_workers=totals.n_workers,
        events_at_once=totals.n_slots,
        n_starts=totals.n_starts,
        service_times=[
            ServiceTimes(at_least_s=low / 1000, below_s=high / 1000, n=n)
            for bucket, n in sorted(totals.durations.items())
            for low, high in [list_bucket_ends(bucket)]
            if n
        ],
    )


def _find_missing(totals: WorkTotals) -> str:
    """Return why the times of workers are unknown; empty if they are known."""
    if totals.worker_s:
        return ""
    return _NO_TIMES if totals.n_uncounted else _NO_WORKER


def _has_reports(totals: WorkTotals) -> bool:
    """Return whether pilots report their work. Before its first event a pilot has nothing to report."""
    return totals.n_pilots > 0 or (_has_spoken(totals) and not totals.activities.get(Activity.WORKING))


def _has_spoken(totals: WorkTotals) -> bool:
    """Return whether pilots chirp their statuses, or are all in their first start."""
    others = set(totals.activities) - {Activity.STARTING, Activity.UNKNOWN}
    return bool(others) or not totals.has_ended_run


def _note_gaps(how: str, totals: WorkTotals) -> str:
    """Return `how` with a note on what the figure leaves out."""
    gaps = []
    if totals.n_uncounted:
        gaps.append(f"without {totals.n_uncounted} taskforce(s) whose TMS reports no times")
    if totals.is_partial:
        gaps.append("without the reports of some pilots: too many ran at once")
    return "; ".join((how, *gaps))


def _count_runs(n: int, what: str, why_not: str, totals: WorkTotals) -> Measure:
    how = why_not or _note_gaps(f"{what}, {_FROM_PILOTS}", totals)
    return Measure(value=None if why_not else n, unit="events" if "successful" in what else "attempts", how=how)


def _measure_failed_time(totals: WorkTotals) -> Measure:
    how = f"the time of failed and interrupted runs, divided by the number of failed ones, {_FROM_PILOTS}"
    why_not = _find_missing(totals) or ("" if totals.n_failed else "unknown: no run has been reported as failed")
    return Measure(
        value=totals.lost_s * max(1, totals.n_slots) / totals.n_failed if totals.n_failed and not why_not else None,
        unit="s",
        how=why_not or _note_gaps(how, totals),
    )


def _suggest_n_workers(totals: WorkTotals) -> Measure:
    working_s = totals.busy_s + totals.lost_s
    idle_s = totals.idle_s + totals.activities.get(Activity.WAITING, 0.0)
    why_not = _find_missing(totals) or ("" if working_s and totals.span_s else _NO_REPORT)
    if why_not:
        return Measure(value=None, unit="workers", how=why_not)
    busy = working_s / (working_s + idle_s)
    if busy >= _WANTED_BUSY:
        how = f"as many as asked for: ready workers were at work for {busy:.0%} of their time"
        return Measure(value=totals.n_workers, unit="workers", how=how)
    mean = working_s / totals.span_s
    return Measure(
        value=max(1, min(totals.n_workers, math.ceil(mean / _WANTED_BUSY))),
        unit="workers",
        how=f"on average {mean:.2f} workers were at work from the first start to the last end; with this number, ready "
        f"workers would be at work for about {_WANTED_BUSY:.0%} of their time instead of {busy:.0%}",
    )


def _suggest_memory(totals: WorkTotals) -> Measure:
    if not totals.peak_mib:
        return Measure(value=None, unit="MiB", how="unknown: no pilot has reported its memory")
    n_steps = math.ceil(totals.peak_mib * _MEMORY_ROOM / _MEMORY_STEP_MIB)
    return Measure(
        value=n_steps * _MEMORY_STEP_MIB,
        unit="MiB",
        how=f"the most that a worker had, and a fifth more, rounded up to {_MEMORY_STEP_MIB} MiB",
    )


def _suggest_prefetch(mean_s: float | None, n_slots: int) -> Measure:
    if mean_s is None or not n_slots:
        return Measure(value=None, unit="events", how="unknown: no run has been reported as successful")
    is_short = mean_s < SHORT_S
    return Measure(
        value=count_prefetch(n_slots, is_short=is_short, per_slot=count_held(mean_s) if is_short else 1),
        unit="events",
        how="the pilot's own choice for runs of this mean time; without EWMS_PILOT_PREFETCH it chooses so by itself",
    )
