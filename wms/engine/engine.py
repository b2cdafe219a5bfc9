"""The one place through which runs change: load, decide, record, and then send what follows.

    people           launch_run   apply_stimulus (begin, stop, cancel, resume)   answer_wait
    step workers     apply_stimulus, through `wms.engine.handlers`
    children         apply_stimulus, through `wms.engine.children`
    time             wake_run

A change that touches only its run is one write. Another process may have changed the run meanwhile: the write then
finds nothing, and the decision is made again about what is there.
"""

from typing import Any

from runtime.clock import stored_now
from runtime.failpoints import failpoint
from runtime.kernel.decision import Decision, Insert, Update
from runtime.kernel.store import Store, Transaction
from runtime.telemetry import counter
from runtime.turns import Turns
from schemas.errors import Conflict, NotFound, Unavailable
from schemas.events import NodeRun
from schemas.ids import NodeKey, RunId, RunUuid
from schemas.run_documents import RUNS, RunDocument
from schemas.runs import WaitAnswer
from wms.engine import repository
from wms.engine.effects import Effects
from wms.engine.life.advance import advance
from wms.engine.life.launching import LaunchWish
from wms.engine.life.open_run import OpenRun, RunDecision, apply_decision, open_run
from wms.engine.life.stimuli import RunStimulus, StepWorkerGone, TimePassed, Unserved, WaitAnswered
from wms.engine.life.waiting import AnswerVerdict
from wms.engine.new_runs import NewRun, find_definition, make_children, make_new_run
from wms.engine.open_runs import HeldRun, OpenRuns
from wms.engine.step_workers import StepWorkers

_committed = counter("run_commits_total", "Commits of runs, by what they answer to.", ["stimulus"])

#: Another process may change the run at the same time; so often this one loads it anew.
_MAX_TRIES = 10
#: So many log rows stay in their run before they are moved to the log.
_MAX_ROWS = 20


class Engine:
    """The runs of one store."""

    def __init__(self, store: Store, effects: Effects, workers: StepWorkers) -> None:
        self.store = store
        self.effects = effects
        self.workers = workers
        self._turns = Turns()
        self._runs = OpenRuns()
        workers.on_gone = self._send_again
        effects.on_unserved = self._note_unserved

    async def launch_run(
        self,
        name: str,
        wish: LaunchWish,
        *,
        begins: bool = True,
        waits_for_worker: bool = True,
        run_uuid: RunUuid | None = None,
    ) -> RunDocument:
        """Launch the definition `name`, as it was registered last; return the run.

        With the `run_uuid` of an earlier launch this returns that run, and launches nothing.

        Raises:
            NotFound: there is no such definition.
            Rejected: the definition's graph, or what the launch brings, breaks a rule.
            Unavailable: with `waits_for_worker` false: nobody could call its functions now.
        """
        definition = await find_definition(self.store, name)
        pool = definition[1].pool
        if not waits_for_worker and (refusal := self.workers.find_refusal(pool, definition[0], name)):
            raise Unavailable(refusal, hint=f"start one: ewms worker --pool {pool} --module ...")
        new = await make_new_run(self.store, definition, wish, run_uuid=run_uuid, begins=begins)
        document = new.document

        async def step(_: Transaction) -> Decision:
            return Decision(changes=(repository.make_insert(document),))

        try:
            await self.store.transact(step)
        except Conflict:
            known = await repository.find_run_id(self.store, document.uuid)
            found = None if known is None else await repository.load_run(self.store, known)
            if found is None:
                raise
            return found
        failpoint("engine.launched")
        self._take_up(new)
        return document

    def _take_up(self, new: NewRun) -> None:
        self._runs.hold_run(new.held)
        self.effects.follow(new.run, new.decision)

    async def apply_stimulus(self, run_id: RunId, stimulus: RunStimulus) -> Any:
        """Decide about `stimulus` and record what follows; return the decision's answer.

        Raises:
            NotFound: there is no such run.
            Conflict: the run has moved on, or the wish does not fit where it stands.
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
                if await self._commit_decision(held, decision):
                    _committed.labels(type(stimulus).__name__).inc()
                    return decision.answer
        raise Unavailable(f"run {run_id} is too busy")

    async def load_run(self, run_id: RunId) -> HeldRun:
        """Return the run, from memory or from the database. What is in memory may be older than its document.

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
        """Return whether a refusal holds: the run was loaded for it, or has not changed since. Else forget it."""
        if held.is_fresh:
            return True
        facts = held.run.facts
        found = await self.store.find_one(RUNS, {"_id": facts.id, "rev": facts.rev}, projection={"_id": 1})
        if found is None:
            self._runs.drop_run(facts.id)
        return found is not None

    async def _commit_decision(self, held: HeldRun, decision: RunDecision) -> bool:
        """Store `decision` and send what follows. Return False if the run has moved on meanwhile."""
        run = held.run
        failpoint("engine.decided")
        try:
            children = [] if decision.brought is None else await make_children(self.store, run, decision.brought)
            update = repository.make_update(run, decision)
            if children:
                inserts = tuple(repository.make_insert(child.document) for child in children)
                is_stored = await self._transact(run, update, inserts)
            else:
                is_stored = await repository.commit_update(self.store, update)
        except BaseException:
            # Nobody knows whether it is stored.
            self._runs.drop_run(run.facts.id)
            raise
        if not is_stored:
            self._runs.drop_run(run.facts.id)
            return False
        failpoint("engine.committed")
        apply_decision(run, decision)
        held.rows += decision.rows
        self.effects.follow(run, decision)
        for child in children:
            self._take_up(child)
        self._tidy(held, decision)
        return True

    async def _transact(self, run: OpenRun, update: Update, inserts: tuple[Insert, ...]) -> bool:
        async def step(tx: Transaction) -> Decision:
            current = {"_id": run.facts.id, "rev": run.facts.rev}
            if await tx.find_one(RUNS, current, {"_id": 1}) is None:
                return Decision()
            return Decision(changes=(update, *inserts))

        decided = await self.store.transact(step)
        return isinstance(decided, Decision) and bool(decided.changes)

    def _tidy(self, held: HeldRun, decision: RunDecision) -> None:
        """Move log rows out of the run when there are many, or when it is over."""
        run_id = held.run.facts.id
        if decision.ends_run:
            self._runs.drop_run(run_id)
        if len(held.rows) >= _MAX_ROWS or (decision.ends_run and held.rows):
            rows, held.rows = held.rows, []
            self.effects.begin_task(repository.move_log(self.store, run_id, rows), f"log of {run_id}")

    async def answer_wait(
        self, run_id: RunId, node: NodeKey, answer: WaitAnswer, *, token: str | None = None
    ) -> AnswerVerdict:
        """Answer the wait of a node; return what became of the answer."""
        verdict: AnswerVerdict = await self.apply_stimulus(run_id, WaitAnswered(node, answer, token))
        return verdict

    async def wake_run(self, run_id: RunId) -> None:
        """Do what is due for a run now."""
        await self.apply_stimulus(run_id, TimePassed())

    async def _send_again(self, run_id: RunId, worker: str) -> None:
        await self.apply_stimulus(run_id, StepWorkerGone(worker))

    async def _note_unserved(self, order: NodeRun, why: str) -> None:
        await self.apply_stimulus(order.run, Unserved(order.node, order.attempt, why))
