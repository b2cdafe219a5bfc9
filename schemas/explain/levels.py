"""The levels of a workflow's queues. Events of one level move only into queues of later levels. (core)

The client counts progress by levels. WMS finds out by levels whether a workflow is done.
"""

from collections.abc import Collection, Iterable
from typing import Protocol


class JoinsQueues(Protocol):
    """A task with its input and output queues."""

    @property
    def input_queues(self) -> Collection[str]:
        """The queues from which the task takes events."""
        ...

    @property
    def output_queues(self) -> Collection[str]:
        """The queues to which the task publishes."""
        ...


def split_levels(tasks: Iterable[JoinsQueues]) -> tuple[list[list[str]], list[str]]:
    """Return the queues from which `tasks` take events, level by level, and the queues without a level.

    A queue without a level is part of a cycle, or comes after a cycle.
    """
    tasks = list(tasks)
    left = dict.fromkeys(mqid for task in tasks for mqid in task.input_queues)
    levels: list[list[str]] = []
    while left:
        fed = {mqid for task in tasks if not left.keys().isdisjoint(task.input_queues) for mqid in task.output_queues}
        level = [mqid for mqid in left if mqid not in fed]
        if not level:
            break
        levels.append(level)
        for mqid in level:
            del left[mqid]
    return levels, list(left)
