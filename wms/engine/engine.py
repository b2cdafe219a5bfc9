"""Change runs: load, decide, store, and then carry out the effects. Every change of a run is made here.

    people           launch_run   apply_stimulus (begin, stop, cancel, resume)   answer_wait
    step workers     apply_stimulus, through `wms.engine.handlers`
    children         apply_stimulus, through `wms.engine.nested.children`
    time             wake_run

A change of one run alone is one write. If another process has changed the run meanwhile, the write finds no document.
Then the engine loads the run and decides again.
"""

from collections.abc import Callable
from typing import Any

from runtime.clock import stored_now
from runtime.concurrency.turns import Turns
from runtime.failpoints import failpoint
from runtime.kernel.store import Store
from runtime.once import Once
from runtime.telemetry import counter
from schemas.engine.graph import Definition
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.engine.runs import NodeStatus, WaitAnswer
from schemas.errors import Conflict, NotFound, Unavailable
from schemas.events import NodeRun
from schemas.ids import DefinitionHash, NodeKey, RunId, RunUuid
from wms.engine import repository
from wms.engine.brought import KeepsSubscriptions, RecordsChanges
from wms.engine.effects import Effects, seal_answer
from wms.engine.engine_lock import LockKeeper
from wms.engine.life.advance import advance
from wms.engine.life.launching import LaunchWish
from wms.engine.life.open_run import OpenRun, RunDecision, apply_decision, open_run
from wms.engine.life.stimuli import RunStimulus, StepWorkerCame, StepWorkerGone, TimePassed, Unserved, WaitAnswered
from wms.engine.life.waiting import AnswerVerdict
from wms.engine.new_runs import (
    ChangesWithLaunch,
    FindsDefinitions,
    NewRun,
    find_definition,
    make_children,
    make_new_run,
    store_new_run,
    take_run_id,
)
from wms.engine.open_runs import HeldRun, OpenRuns
from wms.engine.step_workers import StepWorkers

_committed = counter("run_commits_total", "Commits of runs, by what they answer to.", ["stimulus"])

#: How often this process tries a change, because another process may change the run at the same time.
_MAX_TRIES = 10
#: When a run holds so many log rows, the engine moves them to the log.
_MAX_ROWS = 20


class Engine:
    """Launches and changes the runs of one store."""

    def __init__(
        self,
        store: Store,
        effects: Effects,
        workers: StepWorkers,
        subscriptions: KeepsSubscriptions | None = None,
        lock: LockKeeper | None = None,
    ) -> None:
        """Without `subscriptions`, a step that changes subscriptions fails. Without `lock`, there is no lock."""
        self.store = store
        self._subscriptions = subscriptions
        effects.subscriptions = subscriptions
        self.effects = effects
        self.workers = workers
        self._turns = Turns()
        self._runs = OpenRuns()
        #: What knows definitions that no step worker registers. They are asked first.
        self.sources: list[FindsDefinitions] = []
        #: Each returns what is stored together with a decision, mostly nothing.
        self.records: list[RecordsChanges] = []
        #: Called with each new run, once it is stored.
        self.on_launch: list[Callable[[OpenRun], None]] = []
        #: Called with each stored decision, and with its run as it was before.
        self.on_change: list[Callable[[OpenRun, RunDecision], None]] = []
        workers.on_gone = self._send_again
        workers.on_came = self._send_unserved
        effects.on_unserved = self._note_unserved
        if lock is not None:
            effects.is_locked = lambda: lock.is_locked
            lock.on_unlocked.append(self._begin_held_back)

    async def launch_run(
        self,
        name: str,
        wish: LaunchWish,
        *,
        begins: bool = True,
        waits_for_worker: bool = True,
        run_uuid: RunUuid | None = None,
        run_id: RunId | None = None,
        found: tuple[DefinitionHash, Definition] | None = None,
        once: Once | None = None,
        also: ChangesWithLaunch | None = None,
    ) -> RunDocument:
        """Launch the definition `name`, the latest one or `found`, and return the run.

        If `run_uuid` is that of an earlier launch, return its run, and launch nothing. `run_id` is an id that
        `take_run_id` has returned; without it, the run gets the next one. The changes that `also` returns are stored in
        the same transaction as the run. If `also` raises, nothing is launched.

        Raises:
            NotFound: there is no such definition.
            Conflict: `once` was used for another request.
            Rejected: the definition's graph, or the launch's state or parameters, break a rule.
            Unavailable: no step worker can call its functions now, and `waits_for_worker` is False.
        """
        definition = found or await self.find_definition(name)
        begins = begins and not definition[1].runs_alone
        pool = definition[1].pool
        if not waits_for_worker and (refusal := self.workers.find_refusal(pool, definition[0], name)):
            raise Unavailable(refusal, hint=f"start one: ewms worker --pool {pool} --module ...")
        run_id = run_id or await take_run_id(self.store)
        new = make_new_run(definition, wish, run_id=run_id, run_uuid=run_uuid, begins=begins)
        document = new.document
        try:
            is_new = await store_new_run(self.store, document, once=once, also=also)
        except Conflict:
            if (known := await repository.find_run(self.store, document.uuid)) is None or once is not None:
                raise
            return known
        if not is_new:
            return await self._load_repeated(document.uuid)
        failpoint("engine.launched")
        self._take_up(new)
        return document

    async def find_definition(self, name: str) -> tuple[DefinitionHash, Definition]:
        """Return the definition called `name`, with its hash: from a source, else the one that was registered last.

        Raises:
            NotFound: there is no such definition.
        """
        for source in self.sources:
            if (known := await source.find_definition(name)) is not None:
                return known
        return await find_definition(self.store, name)

    async def _load_repeated(self, uuid: RunUuid) -> RunDocument:
        known = await repository.find_run(self.store, uuid)
        if known is None:
            raise NotFound("the run of this request is gone")
        return known

    def _take_up(self, new: NewRun) -> None:
        for listener in self.on_launch:
            listener(new.run)
        self._runs.hold_run(new.held)
        self.effects.follow(new.run, new.decision)

    async def apply_stimulus(self, run_id: RunId, stimulus: RunStimulus) -> Any:
        """Decide about `stimulus`, store the decision, and return its answer.

        Raises:
            NotFound: there is no such run.
            Conflict: the stimulus does not apply to the run any more, or the run's status does not allow it.
            Unavailable: the run changed too often meanwhile.
        """
        async with self._turns.hold_turn(run_id):
            for _ in range(_MAX_TRIES):
                held = await self.load_run(run_id)
                try:
                    decision = advance(held.run, stimulus, stored_now())
                except Conflict:
                    if await self._is_current(held):
                        raise
                    continue
                if not decision.changes_run:
                    if await self._is_current(held):
                        return decision.answer
                    continue
                if await self._commit_decision(held, decision, stimulus):
                    return decision.answer
        raise Unavailable(f"run {run_id} is too busy")

    async def load_run(self, run_id: RunId) -> HeldRun:
        """Return the run, from memory or from the database. A run in memory may be older than its document.

        Raises:
            NotFound: there is no such run.
        """
        held = self._runs.find_run(run_id)
        if held is not None:
            return held
        document = await repository.load_run(self.store, run_id)
        if document is None:
            raise NotFound(f"no run found with id: {run_id}")
        held = HeldRun(open_run(document), list(document.log))
        self._runs.hold_run(held)
        return held

    async def _is_current(self, held: HeldRun) -> bool:
        """Return whether `held` agrees with its document. If not, drop it from memory.

        A run that was just loaded needs no read.
        """
        if held.is_fresh:
            return True
        facts = held.run.facts
        found = await self.store.find_one(RUNS, {"_id": facts.id, "rev": facts.rev}, projection={"_id": 1})
        if found is None:
            self._runs.drop_run(facts.id)
        return found is not None

    async def _commit_decision(self, held: HeldRun, decision: RunDecision, stimulus: RunStimulus) -> bool:
        """Store `decision`, and carry out its effects. Return False if the run has changed meanwhile."""
        run, name = held.run, type(stimulus).__name__
        failpoint("engine.decided", name)
        try:
            children = [] if decision.brought is None else await make_children(self.store, run, decision.brought)
            records = [change for record in self.records for change in await record(run, stimulus, decision)]
            update = repository.make_update(run, decision)
            if decision.brought is not None or records:
                inserts = (repository.make_insert(child.document) for child in children)
                changes = (update, *inserts, *records)
                is_stored = await repository.commit_together(
                    self.store, self._subscriptions, run, decision.brought, changes
                )
            else:
                is_stored = await repository.commit_update(self.store, update)
        except BaseException:
            # The database may have stored it or not.
            self._runs.drop_run(run.facts.id)
            raise
        if not is_stored:
            self._runs.drop_run(run.facts.id)
            return False
        failpoint("engine.committed", name)
        _committed.labels(name).inc()
        for listener in self.on_change:
            listener(run, decision)
        apply_decision(run, decision)
        held.rows += decision.rows
        self.effects.follow(run, decision)
        for child in children:
            self._take_up(child)
        self._tidy(held, decision)
        return True

    def _tidy(self, held: HeldRun, decision: RunDecision) -> None:
        """Move the log rows out of the run if there are many. The few rows of a short run stay there."""
        run_id = held.run.facts.id
        if decision.ends_run:
            self._runs.drop_run(run_id)
        if len(held.rows) >= _MAX_ROWS:
            rows, held.rows = held.rows, []
            self.effects.begin_task(repository.move_log(self.store, run_id, rows), f"log of {run_id}")

    async def answer_wait(
        self, run_id: RunId, node: NodeKey, answer: WaitAnswer, *, token: str | None = None
    ) -> AnswerVerdict:
        """Answer the wait of a node, and return the verdict: what the answer has done, or why it has no effect.

        For a callback, `token` must be the token of the wait. If it is None, no token is checked. What the run masks is
        encrypted before it is stored.

        Raises:
            NotFound, Conflict, Unavailable: as `apply_stimulus`.
        """
        run = (await self.load_run(run_id)).run
        number = run.find_node(node)
        if number is not None and (spec := run.facts.graph.nodes[number].wait) is not None:
            answer = seal_answer(answer, spec, run.facts.masked, self.effects.keys)
        verdict: AnswerVerdict = await self.apply_stimulus(run_id, WaitAnswered(node, answer, token))
        return verdict

    async def wake_run(self, run_id: RunId) -> None:
        """Do the work of a run that is due now.

        Raises:
            NotFound, Conflict, Unavailable: as `apply_stimulus`.
        """
        await self.apply_stimulus(run_id, TimePassed())

    def _begin_held_back(self) -> None:
        for (run_id, number), attempt in self.effects.take_held_back().items():
            self.effects.begin_task(self._begin_if_due(run_id, number, attempt), f"held back {run_id}/{number}")

    async def _begin_if_due(self, run_id: RunId, number: int, attempt: int) -> None:
        run = (await self.load_run(run_id)).run
        state = run.nodes[number]
        if state.status is NodeStatus.DUE and state.attempt == attempt:
            self.effects.begin_node(run, number)

    async def _send_again(self, run_id: RunId, worker: str) -> None:
        await self.apply_stimulus(run_id, StepWorkerGone(worker))

    async def _send_unserved(self, run_id: RunId, pool: str) -> None:
        self.effects.begin_task(self.apply_stimulus(run_id, StepWorkerCame(pool)), f"unserved nodes of {run_id}")

    async def _note_unserved(self, order: NodeRun, why: str) -> None:
        await self.apply_stimulus(order.run, Unserved(order.node, order.attempt, why))
