"""A launch: from a definition to a run that has not begun. (core)"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.errors import Rejected, Unprocessable
from schemas.graph import MAX_NODES, Definition
from schemas.ids import DefinitionHash, RunId, RunUuid
from schemas.run_documents import LogRow, RunDocument
from schemas.runs import NodeState, Parent, RunStatus
from wms.engine.life.graph import check_graph
from wms.engine.life.variables import check_size


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchWish:
    """What a launch says, apart from the definition."""

    who: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    masked: tuple[str, ...] = ()
    organization: str = ""
    launch_type: str = "manual"
    labels: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] = ()
    parent: Parent | None = None
    root: RunId | None = None
    ancestors: tuple[str, ...] = ()


class Recursion(Unprocessable):
    """The definition is being run above already, so the runs would never end."""


def check_definition(definition: Definition) -> None:
    """Return if `definition` can be launched.

    Raises:
        Rejected: its graph breaks a rule, or names a node kind that this version does not know.
    """
    if len(definition.graph.nodes) > MAX_NODES:
        raise Rejected(f"{definition.name!r} has {len(definition.graph.nodes)} nodes; a run holds {MAX_NODES} at most")
    check_graph(definition.graph)
    for node in definition.graph.nodes:
        if not node.kind.is_known or (node.wait is not None and not node.wait.kind.is_known):
            raise Rejected(f"node {node.key!r} of {definition.name!r} is of a kind that this version does not know")


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
        TooLarge: the state, or the parameters, are too large.
        Recursion: the definition is being run above.
    """
    check_definition(definition)
    if definition.name in wish.ancestors:
        way = " > ".join((*wish.ancestors, definition.name))
        raise Recursion(f"{definition.name!r} would run within itself: {way}")
    check_size("state", wish.state)
    check_size("parameters", wish.params)
    return RunDocument(
        id=run_id,
        uuid=uuid,
        kind=definition.kind,
        definition=definition.name,
        definition_hash=definition_hash,
        pool=definition.pool,
        graph=definition.graph,
        nodes=tuple(NodeState(key=node.key) for node in definition.graph.nodes),
        state=dict(wish.state),
        params=dict(wish.params),
        masked=wish.masked,
        secret=secret,
        parent=wish.parent,
        root=wish.root if wish.root is not None else run_id,
        ancestors=wish.ancestors,
        organization=wish.organization,
        owner=wish.who,
        launch_type=wish.launch_type,
        labels=wish.labels,
        subscriptions=wish.subscriptions,
        n_rows=1,
        log=(LogRow(run=run_id, number=1, act="launch", status=RunStatus.CREATED, who=wish.who, at=now),),
        created_at=now,
    )
