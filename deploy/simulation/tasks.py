"""A task of a simulated run: it makes jobs, plans the runs of events, and publishes their outputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random

from deploy.simulation.agenda import Agenda
from deploy.simulation.jobs import JobTimes, SimulatedJob
from deploy.simulation.past_run import PastTask
from deploy.simulation.pilots import PilotEnd, RunPlan, SimulatedPilot
from deploy.simulation.queues import SimulatedEvent, SimulatedQueue
from deploy.simulation.service_times import EvenShare, draw_times
from pilot.failures.container_failures import container_failed
from pilot.life.retiring import end_of_work_s

_FAILURE = container_failed("task", 1, "simulated")
_FINAL_FAILURE = replace(_FAILURE, final=True)


class SimulatedTask:
    """One task of a run, with the sums of all its workers."""

    def __init__(
        self,
        agenda: Agenda,
        past: PastTask,
        inputs: Sequence[SimulatedQueue],
        *,
        per_run: Mapping[str, float],
        publish: Callable[[str], None],
        on_job_over: Callable[[], None],
        random: Random,
    ) -> None:
        """`per_run` is queue -> number of events that a run publishes there. `publish` publishes one to a queue."""
        self.past = past
        self.times = JobTimes()
        self.n_dead = 0
        self._agenda, self._inputs = agenda, inputs
        self._publish, self._on_job_over = publish, on_job_over
        self._service_s = draw_times(past.buckets, mean_s=past.mean_s, n_runs=past.n_taken, shuffle=random.shuffle)
        self._hopeless = EvenShare(past.hopeless_share, random.random())
        self._unlucky = EvenShare(past.unlucky_share, random.random())
        self._outputs = {mqid: EvenShare(n, random.random()) for mqid, n in per_run.items()}

    def make_jobs(self, n_workers: int) -> list[SimulatedJob]:
        """Return the jobs of the task. None of them has started."""
        return [
            SimulatedJob(
                self._agenda,
                self.times,
                start_s=self.past.start_s,
                max_runtime_s=self.past.max_runtime_s,
                is_source=self.past.policy.source,
                make_pilot=self._make_pilot,
                on_over=self._on_job_over,
            )
            for _ in range(n_workers)
        ]

    def _make_pilot(self, born_s: float, on_end: Callable[[PilotEnd], None]) -> SimulatedPilot:
        runtime_s = self.past.max_runtime_s
        policy = replace(self.past.policy, runtime_s=runtime_s, ends_s=end_of_work_s(born_s, runtime_s))
        return SimulatedPilot(
            self._agenda,
            policy,
            self._inputs,
            plan_run=self._plan_run,
            publish_output=self._publish_output if self.past.output_queues else None,
            publish_dead_letter=self._count_dead_letter,
            on_end=on_end,
        )

    def _plan_run(self, event: SimulatedEvent) -> RunPlan:
        if event.n_failures is None:
            event.is_hopeless = self._hopeless.count_next() > 0
            event.n_failures = self.past.n_failures if event.is_hopeless else self._unlucky.count_next()
        if not event.n_failures:
            return RunPlan(next(self._service_s))
        event.n_failures -= 1
        is_final = event.is_hopeless and not event.n_failures
        return RunPlan(self.past.failed_s, _FINAL_FAILURE if is_final else _FAILURE)

    def _publish_output(self) -> None:
        for mqid, share in self._outputs.items():
            for _ in range(share.count_next()):
                self._publish(mqid)

    def _count_dead_letter(self) -> None:
        self.n_dead += 1
