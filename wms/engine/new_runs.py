"""Make and store runs of registered definitions: for a launch, for a node that runs a definition, and for a step."""

import secrets
import uuid
from collections.abc import Awaitable, Callable
from typing import Protocol

from runtime.clock import stored_now
from runtime.kernel.decision import Change, Decision
from runtime.kernel.store import Store, Transaction
from runtime.once import Once
from schemas.engine.graph import Definition
from schemas.engine.run_documents import COUNTERS, RUNS, LogRow, RunDocument
from schemas.errors import NotFound
from schemas.events import NodeEnded
from schemas.ids import DefinitionHash, RunId, RunUuid
from wms.engine import repository
from wms.engine.life.advance import advance
from wms.engine.life.launching import LaunchWish, make_first_state, make_run
from wms.engine.life.open_run import OpenRun, RunDecision, apply_decision, open_run
from wms.engine.life.stimuli import Begin
from wms.engine.open_runs import HeldRun

#: Returns what is stored together with a new run.
ChangesWithLaunch = Callable[[Transaction, RunDocument], Awaitable[tuple[Change, ...]]]


class FindsDefinitions(Protocol):
    """A source of definitions besides the step workers, such as templates."""

    async def find_definition(self, name: str) -> tuple[DefinitionHash, Definition] | None:
        """Return the definition of this name with its hash. Return None if this source has no such definition."""
        ...


class NewRun:
    """A run that is not stored yet, and the decision that begins it."""

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
        """Return the run's document."""
        return self.run.facts.model_copy(update={"nodes": tuple(self.run.nodes), "log": tuple(self.held.rows)})


async def find_definition(store: Store, name: str) -> tuple[DefinitionHash, Definition]:
    """Return the latest registered definition of this name, with its hash.

    Raises:
        NotFound: there is no such definition.
    """
    found = await repository.find_definition(store, name)
    if found is None:
        raise NotFound(f"no definition found with name: {name}", hint="a step worker registers it when it starts")
    return found


async def take_run_id(store: Store) -> RunId:
    """Return the id for a new run: the next integer. An id that no run gets does no harm."""
    return RunId(await store.count_up(COUNTERS, "runs"))


def make_new_run(
    definition: tuple[DefinitionHash, Definition],
    wish: LaunchWish,
    *,
    run_id: RunId,
    run_uuid: RunUuid | None = None,
    begins: bool = True,
) -> NewRun:
    """Make a new run of `definition`, and return it. This does not store the run.

    Raises:
        Rejected: the definition's graph, or the launch's state or parameters, break a rule.
    """
    document = make_run(
        definition[1],
        wish,
        definition_hash=definition[0],
        run_id=run_id,
        uuid=run_uuid or RunUuid(str(uuid.uuid4())),
        secret=secrets.token_hex(16),
        now=stored_now(),
    )
    return NewRun(document, wish.who, begins=begins)


async def store_new_run(
    store: Store, document: RunDocument, *, once: Once | None = None, also: ChangesWithLaunch | None = None
) -> bool:
    """Store a new run. Return False if `once` says that it is the repetition of a request.

    Raises:
        Conflict: there is such a run, or `once` was used for another request.
    """
    if once is None and also is None:
        # One document needs no transaction: one call instead of two.
        await store.insert_one(RUNS, repository.make_document(document))
        return True

    async def step(tx: Transaction) -> Decision:
        more = () if also is None else await also(tx, document)
        return Decision(changes=(repository.make_insert(document), *more))

    return isinstance(await store.transact(step, once=once), Decision)


async def make_children(store: Store, run: OpenRun, ended: NodeEnded) -> list[NewRun]:
    """Return the new runs that the ended step asked for. This does not store the runs.

    Leave out runs that exist already (from an earlier attempt).

    Raises:
        NotFound: there is no definition of this name.
        Rejected: a definition's graph, or the state or parameters, break a rule.
    """
    made: list[NewRun] = []
    for request in ended.children:
        if await repository.find_run_id(store, request.uuid) is not None:
            continue
        definition = await find_definition(store, request.definition)
        who = request.who or run.facts.owner
        pages = tuple(request.params.get("pages") or ({},)) if definition[1].has_form else None
        first = make_first_state(definition[1], request.uuid, who)
        wish = LaunchWish(
            who=who,
            state=request.params if pages is None else first,
            pages=pages,
            organization=run.facts.organization,
            launch_type="step",
            started_by=run.facts.id,
        )
        run_id = await take_run_id(store)
        made.append(make_new_run(definition, wish, run_id=run_id, run_uuid=request.uuid, begins=pages is None))
    return made
