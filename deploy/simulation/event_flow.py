"""Find how events flowed through the queues of a past run, from what each task has done. (core)

A report counts runs by task, and not by queue. So this module shares them out:

    arrived at a queue   = runs of its consumers, and their dead letters
    outputs per run      = what arrived, divided by the runs of the queue's producers
    from users           = what arrived at a queue without producers

A task with several input queues takes an event of each run that feeds one of them. The rest comes from users.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from schemas.errors import Rejected
from schemas.explain.levels import split_levels


@dataclass(frozen=True, slots=True)
class CountedTask:
    """A task with its queues, and how many events it has taken and done."""

    task_id: str
    input_queues: Sequence[str]
    output_queues: Sequence[str]
    #: Events that have ended here: done, or dead letters.
    n_taken: int
    n_done: int


@dataclass(frozen=True, slots=True)
class EventFlow:
    """The flow between tasks. Queues from which no task takes events are not there."""

    #: Queue -> how many events users have published.
    from_users: Mapping[str, int]
    #: Queue -> how many events one successful run of a producer publishes there, on average.
    per_run: Mapping[str, float]

    @property
    def n_from_users(self) -> int:
        """How many events users have published in all."""
        return sum(self.from_users.values())

    def scale_to(self, n_events: int) -> Mapping[str, int]:
        """Return queue -> number of events if users publish `n_events` in all, in the same proportions."""
        scaled: dict[str, int] = {}
        n_before = n_past = 0
        for mqid, n in self.from_users.items():
            n_past += n
            n_until = n_events * n_past // max(1, self.n_from_users)
            scaled[mqid], n_before = n_until - n_before, n_until
        return scaled


def find_flow(tasks: Sequence[CountedTask]) -> EventFlow:
    """Return the flow between `tasks`.

    Raises:
        Rejected: the tasks feed each other in a circle, so that the number of the users' events is unknown; or a task
            has taken events of tasks that have done nothing.
    """
    _, in_circles = split_levels(tasks)
    if in_circles:
        raise Rejected(
            "the tasks of this workflow feed each other in a circle, and its report cannot tell how many events users "
            "have published",
            hint="a workflow without a circle can be simulated",
        )
    made: dict[str, int] = {}
    for task in tasks:
        for mqid in task.output_queues:
            made[mqid] = made.get(mqid, 0) + task.n_done
    arrived: dict[str, float] = {}
    for task in tasks:
        for mqid, share in _share_out(task, made).items():
            arrived[mqid] = arrived.get(mqid, 0.0) + share
    for task in tasks:
        if any(arrived[mqid] and made.get(mqid) == 0 for mqid in task.input_queues):
            raise Rejected(
                f"task {task.task_id} has taken events of tasks that have done none, as far as pilots have reported",
                hint="the report of this workflow lacks the work of some pilots, so it cannot be simulated",
            )
    return EventFlow(
        # Halves become whole events.
        from_users={mqid: ceil(n) for mqid, n in arrived.items() if mqid not in made},
        per_run={mqid: n / made[mqid] if made[mqid] else 0.0 for mqid, n in arrived.items() if mqid in made},
    )


def _share_out(task: CountedTask, made: Mapping[str, int]) -> dict[str, float]:
    """Return how many of the task's events came from each of its input queues."""
    fed = {mqid: made[mqid] for mqid in task.input_queues if mqid in made}
    users = [mqid for mqid in task.input_queues if mqid not in made]
    n_fed = sum(fed.values())
    n_private = min(task.n_taken, n_fed) if users else task.n_taken
    shares = {mqid: n_private * n / n_fed if n_fed else n_private / len(fed) for mqid, n in fed.items()}
    return shares | {mqid: (task.n_taken - n_private) / len(users) for mqid in users}
