"""Explain why a process or a tree stands as it does: all causes that the facts show, the most serious first. (core)

A node that has started a run is explained by that run: the causes of a tree are mostly those of the jobs and processes
below it. Their names show the way: `Release / Reserve ports`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from schemas.api.workflows.explanation import ExplainedCause, ObjectExplanation
from schemas.causes.nodes import find_unserved_cause
from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import RUN_OVER, NodeStatus, RunStatus, WantKind
from schemas.explain.named_cause import name_cause
from wms.engine.life.graph import find_layout
from wms.insight.runs.node_explanation import PlacedNode, explain_placed_node
from wms.insight.runs.node_reasons import find_unhandled
from wms.insight.runs.run_situation import (
    FORM,
    RunSituation,
    append_reason,
    format_time,
    name_in_commands,
    shorten_reason,
)

#: An explanation has at most so many causes of one kind.
MOST_OF_KIND = 20
#: Runs more levels below than this are not explained.
_MOST_LEVELS = 20
#: In these statuses a node is explained by the run that it has started.
STARTED_BELOW = frozenset({NodeStatus.WAITING, NodeStatus.FAILED, NodeStatus.ERROR, NodeStatus.HALTED})

_ENDED_BADLY = frozenset({NodeStatus.FAILED, NodeStatus.ERROR})


def explain_run(facts: RunSituation) -> ObjectExplanation:
    """Return the causes that the facts show. A run that moves has the cause `moving`."""
    run = facts.run
    found = [*_explain_end(facts), *_explain_lock(facts), *_explain_occurrence(run), *_explain_tree(facts, run, "")]
    ranked = sorted(found, key=lambda each: each.severity.rank)
    shown, counted = [], Counter[str]()
    for each in ranked:
        counted[each.cause] += 1
        if counted[each.cause] <= MOST_OF_KIND:
            shown.append(each)
    ids = name_in_commands(run)
    return ObjectExplanation(
        kind=ids["noun"],
        id=str(ids["id"]),
        name=run.title or run.definition,
        standing=facts.standing,
        causes=shown or [name_cause("moving", command=f"ewms {ids['noun']} watch {ids['id']}")],
        n_left_out=len(ranked) - len(shown),
    )


def _explain_end(facts: RunSituation) -> Iterator[ExplainedCause]:
    run, values = facts.run, {**name_in_commands(facts.run), "why": append_reason(facts.why)}
    match run.status:
        case RunStatus.SUCCESSFUL:
            yield name_cause("run-successful", **values)
        case RunStatus.FAILED:
            yield name_cause("run-failed", **values)
        case RunStatus.ERROR:
            yield name_cause("run-error", **values)
        case RunStatus.CANCELED:
            who = "a step" if run.want is None else run.want.who or "somebody"
            why = "" if run.want is None else run.want.why
            yield name_cause("run-canceled", **{**values, "who": who, "why": append_reason(why)})
        case _:
            pass


def _explain_lock(facts: RunSituation) -> Iterator[ExplainedCause]:
    runs = [facts.run, *facts.below.values()]
    is_due = any(state.status is NodeStatus.DUE for run in runs for state in run.nodes)
    if facts.lock.is_locked and is_due:
        yield name_cause(
            "engine-locked", who=facts.lock.changed_by or "somebody", at=format_time(facts.lock.changed_at)
        )


def _explain_occurrence(run: RunDocument) -> Iterator[ExplainedCause]:
    if run.occurrence is not None and run.occurrence.skipped:
        yield name_cause("occurrences-skipped", run.occurrence.skipped, schedule=run.occurrence.name)


def _explain_tree(facts: RunSituation, run: RunDocument, path: str, level: int = 0) -> Iterator[ExplainedCause]:
    """Yield the causes of a run and of those below it. `path` has the names of the nodes above it."""
    yield from _explain_whole(facts, run, path)
    layout, unhandled = find_layout(run.graph), set(find_unhandled(run))
    for number, (spec, state) in enumerate(zip(run.graph.nodes, run.nodes, strict=True)):
        # A leaf has one node, with the name of the node above it.
        name = path if run.graph.is_leaf and path else f"{path} / {spec.name}" if path else spec.name
        below, why_below = None if state.child_run is None else facts.below.get(state.child_run), ""
        if below is not None and state.status in STARTED_BELOW and level < _MOST_LEVELS:
            deeper = sorted(_explain_tree(facts, below, name, level + 1), key=lambda each: each.severity.rank)
            if state.status in _ENDED_BADLY and number not in unhandled:
                # An edge leads on from there, so nobody has to do anything about what failed below.
                why_below = deeper[0].text if deeper else ""
            else:
                yield from deeper
                if deeper and (state.status is NodeStatus.WAITING or number in unhandled):
                    continue
        placed = PlacedNode(run, spec, state, name, layout.incoming[number], number in unhandled, why_below)
        yield from explain_placed_node(facts, placed)


def _explain_whole(facts: RunSituation, run: RunDocument, path: str) -> Iterator[ExplainedCause]:
    """Yield what holds up a run as a whole."""
    values: dict[str, Any] = {**name_in_commands(run), "node": path}
    if run.status in RUN_OVER:
        return
    if run.want is not None:
        kind = run.want.kind
        cause = "run-stopped" if run.status is RunStatus.STOPPED else "being-stopped"
        cause = "being-canceled" if kind is WantKind.CANCEL else cause
        yield name_cause(cause, who=run.want.who or "somebody", why=append_reason(run.want.why), **values)
    elif run.status is RunStatus.CREATED:
        yield from _explain_beginning(facts, run, values)
    elif run.status is RunStatus.HALTED:
        n_halted = sum(state.status is NodeStatus.HALTED for state in run.nodes)
        yield name_cause("run-halted", n_halted, **values)


def _explain_beginning(facts: RunSituation, run: RunDocument, values: dict[str, Any]) -> Iterator[ExplainedCause]:
    if run.pages is not None:
        if why := facts.refusals.get((run.id, FORM), ""):
            yield name_cause(
                find_unserved_cause(why), why=shorten_reason(why), **{**values, "node": values["node"] or "form"}
            )
        else:
            yield name_cause("form-unchecked", pool=run.pool, **values)
    elif facts.busy is not None:
        yield name_cause("template-busy", holder=facts.busy, **values)
    elif run.kind is DefinitionKind.FLOW:
        yield name_cause("not-begun", **values)
