"""An event that takes longer than a worker lives ends, however the lives of several workers overlap."""

from dataclasses import dataclass, field, replace

import pytest

from pilot.life.instructions import KillAll, LeaveProcess, Listen, PublishDeadLetter, Settle, Settlement, StopListening
from pilot.life.lifecycle import advance_life, begin_life, wake_at
from pilot.life.state import PilotState
from pilot.life.stimuli import EventArrived, HeldEvent, PublishConfirmed, RunEnded, Stimulus, Tick
from tests.unit.pilot.life.test_lifecycle import held, lived, with_policy

#: A worker of 100 s whose pilot keeps 10 of them.
WORKER = with_policy(runtime_s=100.0, ends_s=90.0, first_timeout_s=1000.0, idle_timeout_s=1000.0)


def returned(n: int) -> HeldEvent:
    return replace(held(1), n_returned=n)


def test_an_idle_pilot_leaves_it_to_a_worker_that_begins_and_takes_it_after_the_pause() -> None:
    state, instructions = lived(WORKER, EventArrived(40.0, returned(4)))
    assert instructions == [Settle(1, Settlement.RETURN), StopListening()]
    assert wake_at(state) == 55.0
    state, instructions = advance_life(state, Tick(55.0))
    assert instructions == [Listen(1)]
    state, _ = advance_life(state, EventArrived(61.0, replace(returned(5), key=2)))
    assert list(state.running) == [2], "only once"


@pytest.mark.parametrize(
    ("policy", "stimuli"),
    [
        (WORKER, [EventArrived(8.0, returned(9))]),
        (WORKER, [EventArrived(40.0, returned(3))]),
        (WORKER, [EventArrived(30.0, held(5)), RunEnded(36.0, 5, took_s=6.0), EventArrived(40.0, returned(9))]),
        (replace(WORKER, ends_s=None), [EventArrived(40.0, returned(9))]),
        (replace(WORKER, at_most_once=True, longest_run_s=1.0), [EventArrived(40.0, returned(9))]),
    ],
    ids=[
        "it has nearly a whole life left",
        "few have returned it",
        "it is busy",
        "it has no end",
        "it runs at most once",
    ],
)
def test_any_other_pilot_takes_it(policy: object, stimuli: list[Stimulus]) -> None:
    state, _ = lived(policy, *stimuli)  # type: ignore[arg-type]
    assert list(state.running) == [1]


def test_the_pause_is_a_hundredth_of_the_runtime_but_a_half_at_most() -> None:
    long, _ = lived(replace(WORKER, runtime_s=9000.0, ends_s=8985.0), EventArrived(4000.0, returned(4)))
    assert wake_at(long) == 4090.0
    short, _ = lived(replace(WORKER, runtime_s=20.0, ends_s=18.0), EventArrived(6.0, returned(4)))
    assert wake_at(short) == 16.0


@dataclass
class Worker:
    """A pilot with a birth, so that its own clock begins at 0."""

    born_s: float
    state: PilotState = field(default_factory=lambda: begin_life(WORKER, 0.0)[0])
    took_at_s: float | None = None

    @property
    def due_s(self) -> float:
        at_s = wake_at(self.state)
        assert at_s is not None
        return self.born_s + at_s


class Pool:
    """A broker with one event that never ends, and workers whose successors begin `restart_s` after their ends.

    The broker gives the event to the worker that has listened longest.
    """

    def __init__(self, born_s: list[float], *, restart_s: float) -> None:
        self.now_s = 0.0
        self.restart_s = restart_s
        self.workers: list[Worker] = []
        self.births = sorted(born_s)
        self.listening: list[Worker] = []
        self.attempt, self.n_returned, self.ready_s = 1, 0, max(born_s)
        self.is_dead = False

    def run(self, until_s: float) -> None:
        """Go on until the event is a dead letter or the time is over."""
        while not self.is_dead and self.now_s < until_s:
            due = [worker.due_s for worker in self.workers] + self.births[:1]
            if self.is_free and self.listening:
                due.append(max(self.now_s, self.ready_s))
            self.now_s = max(self.now_s, min(due))
            if self.births and self.births[0] <= self.now_s:
                worker = Worker(self.births.pop(0))
                self.workers.append(worker)
                self.listening.append(worker)
            for worker in [each for each in self.workers if each.due_s <= self.now_s]:
                self.tell(worker, Tick(self.now_s - worker.born_s))
            if self.is_free and self.listening and self.now_s >= self.ready_s:
                worker = self.listening[0]
                worker.took_at_s = self.now_s
                event = replace(held(1), attempt=self.attempt, n_returned=self.n_returned)
                self.tell(worker, EventArrived(self.now_s - worker.born_s, event))

    @property
    def is_free(self) -> bool:
        return all(worker.took_at_s is None for worker in self.workers)

    def tell(self, worker: Worker, stimulus: Stimulus) -> None:
        worker.state, instructions = advance_life(worker.state, stimulus)
        for each in instructions:
            match each:
                case Listen() if worker not in self.listening:
                    self.listening.append(worker)
                case StopListening() if worker in self.listening:
                    self.listening.remove(worker)
                case Settle(how=Settlement.RETURN):
                    worker.took_at_s, self.n_returned = None, self.n_returned + 1
                case Settle(how=Settlement.REJECT):
                    worker.took_at_s, self.ready_s = None, self.now_s + self.attempt
                    self.attempt += 1
                case Settle(how=Settlement.ACK):
                    self.is_dead = True
                case PublishDeadLetter(key=key):
                    self.tell(worker, PublishConfirmed(self.now_s - worker.born_s, key))
                case KillAll():
                    took_s = self.now_s - (worker.took_at_s or 0.0)
                    self.tell(worker, RunEnded(self.now_s - worker.born_s, 1, took_s=took_s, interrupted=True))
                case LeaveProcess() if worker in self.workers:
                    self.workers.remove(worker)
                    if worker in self.listening:
                        self.listening.remove(worker)
                    self.births = sorted([*self.births, self.now_s + self.restart_s])


@pytest.mark.parametrize("restart_s", [1.0, 5.0, 12.0])
@pytest.mark.parametrize("n_workers", [1, 2, 3, 4, 7])
def test_it_becomes_a_dead_letter_although_workers_begin_one_after_the_other(n_workers: int, restart_s: float) -> None:
    pool = Pool([float(n * 100 // n_workers) for n in range(n_workers)], restart_s=restart_s)
    pool.run(until_s=2000.0)
    assert pool.is_dead, f"attempt {pool.attempt} after {pool.n_returned} returns"
