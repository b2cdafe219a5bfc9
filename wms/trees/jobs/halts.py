"""Explain that a tree waits for a person because a process below it has halted. (core)

A step that failed for good halts its process. The jobs above it are `running` until somebody resumes or aborts it.
"""

from collections.abc import Iterable, Mapping, Sequence

from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeStatus
from schemas.ids import RunId

_MAX_SHOWN = 5


def list_above(halted: RunDocument, parents: Mapping[RunId, RunDocument]) -> list[RunId]:
    """Return the ids of the runs above a halted one, the nearest first. `parents` has all of these runs, by id."""
    above: list[RunId] = []
    here: RunDocument | None = halted
    while here is not None and here.parent is not None:
        above.append(here.parent.run)
        here = parents.get(here.parent.run)
    return above


def explain_halts(halted: Iterable[RunDocument]) -> str:
    """Return which processes below a job have halted, why, and what to do; empty: none has."""
    texts = [_explain_halt(each) for each in halted]
    if len(texts) > _MAX_SHOWN:
        texts = [*texts[:_MAX_SHOWN], f"and {len(texts) - _MAX_SHOWN} more"]
    return "; ".join(texts)


def _explain_halt(halted: RunDocument) -> str:
    nodes: Sequence[int] = [n for n, state in enumerate(halted.nodes) if state.status is NodeStatus.HALTED]
    steps = ", ".join(repr(halted.graph.nodes[number].name) for number in nodes)
    errors = [error.message for number in nodes if (error := halted.nodes[number].error) is not None]
    why = f": {errors[0]}" if errors else ""
    name = halted.title or halted.definition
    return f"the process {name!r} ({halted.uuid}) has halted at step {steps}{why}. Resume it, or abort it"
