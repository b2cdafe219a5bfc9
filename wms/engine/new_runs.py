"""Make runs of registered definitions: for a launch, for a node that is a run, and for a step that starts some."""

import secrets
import uuid

from runtime.clock import stored_now
from runtime.kernel.store import Store
from schemas.errors import NotFound
from schemas.events import NodeEnded
from schemas.graph import Definition
from schemas.ids import DefinitionHash, RunId, RunUuid
from schemas.run_documents import COUNTERS, LogRow, RunDocument
from wms.engine import repository
from wms.engine.life.advance import advance
from wms.engine.life.launching import LaunchWish, make_run
from wms.engine.life.open_run import OpenRun, RunDecision, apply_decision, open_run
from wms.engine.life.stimuli import Begin
from wms.engine.open_runs import HeldRun


class NewRun:
    """A run that is not stored yet, and what follows once it is."""

    def __init__(self, document: RunDocument, who: str, *, begins: bool) -> None:
        self.run = open_run(document)
        self.decision = RunDecision()
        rows: list[LogRow] = list(document.log)
        if begins:
            self.decision = advance(self.run, Begin(who), stored_now())
            apply_decision(self.run, self.decision)
            rows += self.decision.rows
        self.run.facts = self.run.facts.model_copy(update={"rev": 0})
        self.held = HeldRun(self.run, rows)

    @property
    def document(self) -> RunDocument:
        """Return the run as it is to be stored."""
        return self.run.facts.model_copy(update={"nodes": tuple(self.run.nodes), "log": tuple(self.held.rows)})


async def find_definition(store: Store, name: str) -> tuple[DefinitionHash, Definition]:
    """Return the definition of this name that was registered last, with its hash.

    Raises:
        NotFound: there is none.
    """
    found = await repository.find_definition(store, name)
    if found is None:
        raise NotFound(f"no definition found with name: {name}", hint="a step worker registers it when it starts")
    return found


async def make_new_run(
    store: Store,
    definition: tuple[DefinitionHash, Definition],
    wish: LaunchWish,
    *,
    run_uuid: RunUuid | None = None,
    begins: bool = True,
) -> NewRun:
    """Return a new run of `definition`, with the next integer as its id.

    Raises:
        Rejected: the definition's graph, or what the launch brings, breaks a rule.
    """
    document = make_run(
        definition[1],
        wish,
        definition_hash=definition[0],
        run_id=RunId(await store.count_up(COUNTERS, "runs")),
        uuid=run_uuid or RunUuid(str(uuid.uuid4())),
        secret=secrets.token_hex(16),
        now=stored_now(),
    )
    return NewRun(document, wish.who, begins=begins)


async def make_children(store: Store, run: OpenRun, ended: NodeEnded) -> list[NewRun]:
    """Return the runs that a step of `run` has started, apart from those that an earlier attempt of it has started."""
    made: list[NewRun] = []
    for request in ended.children:
        if await repository.find_run_id(store, request.uuid) is not None:
            continue
        wish = LaunchWish(
            who=request.who or run.facts.owner,
            state=request.params,
            organization=run.facts.organization,
            launch_type="step",
        )
        definition = await find_definition(store, request.definition)
        made.append(await make_new_run(store, definition, wish, run_uuid=request.uuid))
    return made
