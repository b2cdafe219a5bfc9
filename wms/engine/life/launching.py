"""Make from a definition a run that has not begun. (core)"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.automation.builds import BUILD_LISTS, BUILD_POOL
from schemas.automation.jobs import JOB_DEFINITION
from schemas.engine.graph import MAX_NODES, Definition, DefinitionKind
from schemas.engine.run_documents import LogRow, RunDocument
from schemas.engine.runs import NodeState, Occurrence, Parent, RunMoment, RunStatus
from schemas.errors import Rejected, Unprocessable
from schemas.ids import DefinitionHash, NodeKey, RunId, RunUuid
from wms.engine.life.graph import check_graph
from wms.engine.life.variables import check_size
from wms.engine.life.waiting import FORM_PAUSE


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchWish:
    """The arguments of a launch, apart from the definition."""

    who: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    prompts: Mapping[str, Any] = field(default_factory=dict)
    #: Pages of the form, before a worker has checked them.
    pages: tuple[Mapping[str, Any], ...] | None = None
    masked: tuple[str, ...] = ()
    organization: str = ""
    launch_type: str = "manual"
    labels: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    #: The run whose step starts this one.
    started_by: RunId | None = None
    parent: Parent | None = None
    root: RunId | None = None
    ancestors: tuple[str, ...] = ()
    #: The run that this one repeats, and the nodes that keep their results from there.
    relaunch_of: RunId | None = None
    #: The occurrence of a schedule that launches it.
    occurrence: Occurrence | None = None
    reused: Mapping[NodeKey, NodeState] = field(default_factory=dict)


class Recursion(Unprocessable):
    """The definition would run within itself, without an end."""


def check_definition(definition: Definition) -> None:
    """Check that `definition` can be launched.

    Raises:
        Rejected: the graph is too large, breaks a rule, or has a kind of node that this version does not know.
    """
    if len(definition.graph.nodes) > MAX_NODES:
        raise Rejected(f"{definition.name!r} has {len(definition.graph.nodes)} nodes; a run holds {MAX_NODES} at most")
    check_graph(definition.graph)
    for node in definition.graph.nodes:
        if not node.kind.is_known or (node.wait is not None and not node.wait.kind.is_known):
            raise Rejected(f"node {node.key!r} of {definition.name!r} is of a kind that this version does not know")


def check_reserved_name(definition: Definition) -> None:
    """Check that a step worker's pool may offer a definition of this name. The builder's lists get orders to build, and
    tokens for their reports. WMS itself makes the definitions of jobs on hosts.

    Raises:
        Rejected: the name is one of the builder's, and the pool is another one; or it is that of jobs on hosts.
    """
    if definition.name in BUILD_LISTS and definition.pool != BUILD_POOL:
        owner = repr(BUILD_POOL)
    elif definition.name == JOB_DEFINITION:
        owner = "WMS"
    else:
        return
    raise Rejected(
        f"the pool {definition.pool!r} may not offer {definition.name!r}: the name belongs to {owner}",
        hint="give the workflow another name",
    )


def make_first_state(definition: Definition, uuid: RunUuid, reporter: str) -> dict[str, Any]:
    """Return the state of a process before its form. Steps and forms can use these four keys."""
    return {
        "process_id": uuid,
        "reporter": reporter,
        "workflow_name": definition.name,
        "workflow_target": definition.target,
    }


def make_run(
    definition: Definition,
    wish: LaunchWish,
    *,
    definition_hash: DefinitionHash,
    run_id: RunId,
    uuid: RunUuid,
    secret: str,
    now: datetime,
) -> RunDocument:
    """Return a run of `definition` that has not begun.

    Raises:
        Rejected: the graph breaks a rule.
        TooLarge: the state or the parameters are too large.
        Recursion: the definition would run within itself.
    """
    check_definition(definition)
    if definition.name in wish.ancestors:
        way = " > ".join((*wish.ancestors, definition.name))
        raise Recursion(f"{definition.name!r} would run within itself: {way}")
    check_size("state", wish.state)
    params = {**definition.variables, **wish.params}
    check_size("parameters", params)
    return RunDocument(
        id=run_id,
        uuid=uuid,
        kind=definition.kind,
        definition=definition.name,
        title=definition.title,
        definition_hash=definition_hash,
        pool=definition.pool,
        graph=definition.graph,
        nodes=tuple(wish.reused.get(node.key) or NodeState(key=node.key) for node in definition.graph.nodes),
        state=dict(wish.state),
        params=params,
        prompts=dict(wish.prompts),
        pages=None if wish.pages is None else tuple(dict(page) for page in wish.pages),
        wake_at=None if wish.pages is None else now + FORM_PAUSE,
        masked=tuple(dict.fromkeys((*definition.masked, *wish.masked))),
        secret=secret,
        parent=wish.parent,
        root=wish.root if wish.root is not None else run_id,
        ancestors=wish.ancestors,
        organization=wish.organization,
        owner=wish.who,
        launch_type=wish.launch_type,
        labels=wish.labels,
        subscriptions=wish.subscriptions,
        started_by=wish.started_by,
        relaunch_of=wish.relaunch_of,
        untold=(RunMoment.STARTED, RunMoment.ENDED) if definition.kind is DefinitionKind.TEMPLATE else (),
        occurrence=wish.occurrence,
        n_rows=1,
        log=(LogRow(run=run_id, number=1, act="launch", status=RunStatus.CREATED, who=wish.who, at=now),),
        created_at=now,
    )
