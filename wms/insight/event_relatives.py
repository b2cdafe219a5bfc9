"""Find the relatives of an event from the graph of its workflow. (core)

The id of an output follows from the id of its input, the task, and the number of the output queue. So all events that
tasks can make from an event are known without any record of them. The way back needs a report that names the parent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.fleet.documents import TaskDirectiveDocument
from schemas.ids import EventId, TaskId
from schemas.payloads.data_events import output_id


@dataclass(frozen=True, slots=True)
class Relative:
    """An event that a task can have made."""

    event_id: EventId
    generation: int
    parent_id: EventId
    made_by: TaskId
    mqid: str


def list_descendants(
    event_id: EventId, mqid: str, tasks: Sequence[TaskDirectiveDocument], most: int
) -> tuple[list[Relative], bool]:
    """Return the events that tasks can make from `event_id`, the nearest first, and whether there are more than `most`.

    `mqid` is the event's queue; if it is empty, any task may take the event. Without a UUID as its id, an event has no
    descendants that can be known.
    """
    found: list[Relative] = []
    frontier = [(event_id, mqid)]
    generation = 0
    while frontier:
        generation += 1
        nearest = [
            Relative(child, generation, parent, TaskId(task.task_id), output)
            for parent, queue in frontier
            for task in tasks
            if not queue or queue in task.input_queues
            for index, output in enumerate(task.output_queues)
            if (child := output_id(parent, TaskId(task.task_id), index)) is not None
        ]
        if len(found) + len(nearest) > most:
            return [*found, *nearest[: most - len(found)]], True
        found += nearest
        frontier = [(each.event_id, each.mqid) for each in nearest]
    return found, False


def find_maker(event_id: EventId, parent_id: EventId, tasks: Sequence[TaskDirectiveDocument]) -> Relative | None:
    """Return `event_id` as the event that one of `tasks` made from `parent_id`. Return None if no task did."""
    for task in tasks:
        for index, output in enumerate(task.output_queues):
            if output_id(parent_id, TaskId(task.task_id), index) == event_id:
                return Relative(event_id, 0, parent_id, TaskId(task.task_id), output)
    return None
