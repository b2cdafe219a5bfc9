"""Deliver an event from outside to the nodes that wait for it, or keep the event for a node that waits later.

The engine stores an event before it looks for nodes, and a wait before it looks for events. So event and wait cannot
miss each other. A run knows which events ended its waits. So an event ends at most one wait of a run, also if WMS dies
before it stores that the event is consumed.
"""

from typing import Any

from runtime.failpoints import failpoint
from runtime.kernel.store import Store
from schemas.engine.run_documents import InputDocument
from schemas.engine.runs import NodeState, NodeStatus, WaitAnswer
from schemas.errors import Conflict
from schemas.ids import NodeKey, RunId
from wms.engine import input_repository
from wms.engine.engine import Engine
from wms.engine.life.open_run import OpenRun
from wms.engine.life.waiting import AnswerVerdict


class Inputs:
    """Takes events from outside, and finds kept events for nodes that begin to wait."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store
        engine.effects.seek_input = self.seek_input

    async def take_event(self, given: InputDocument) -> int:
        """Store an event, and deliver it to the nodes of its organization that wait for it. Return how many nodes it
        has ended.

        If it has ended none, the event is kept for a later node. A repeated event ends those nodes only that waited
        when it came first.

        Raises:
            Conflict: another event with this id is stored.
        """
        kept = await input_repository.keep_input(self._store, given)
        if _tells(kept) != _tells(given):
            raise Conflict("there is another event with this id", hint="give each event an id of its own")
        failpoint("engine.input_kept")
        n_ended = 0
        found = await input_repository.find_waiting_nodes(self._store, kept.organization, kept.name, kept.correlation)
        for run_id, state in found:
            if kept.consumed_by is None or _has_waited(state, kept):
                n_ended += await self._give_input(kept, run_id, state.key)
        return n_ended

    async def seek_input(self, run: OpenRun, number: int) -> None:
        """If an event came before this node began to wait for it, deliver the event."""
        state = run.nodes[number]
        if state.wait is None or state.status is not NodeStatus.WAITING:
            return
        wanted = (run.facts.organization, state.wait.name, state.wait.correlation)
        while (early := await input_repository.find_early_input(self._store, *wanted)) is not None:
            consumer = await input_repository.find_consumer(self._store, early)
            if consumer is None or (consumer[0] != run.facts.id and _has_waited(state, early)):
                await self._give_input(early, run.facts.id, state.key)
                return
            # The end of that wait is stored, and the note about it is not yet there, or was lost in a crash.
            await input_repository.note_consumption(self._store, early.id, *consumer)

    async def _give_input(self, given: InputDocument, run_id: RunId, node: NodeKey) -> bool:
        answer = WaitAnswer(id=given.id, body=given.body, who=given.who, at=given.at)
        verdict = await self._engine.answer_wait(run_id, node, answer)
        if verdict not in (AnswerVerdict.ENDS, AnswerVerdict.DUPLICATE):
            return False
        await input_repository.note_consumption(self._store, given.id, run_id, node)
        return verdict is AnswerVerdict.ENDS


def _tells(given: InputDocument) -> tuple[Any, ...]:
    """Return what must be the same in a repeated event."""
    return (given.organization, given.name, given.correlation, given.body)


def _has_waited(state: NodeState, given: InputDocument) -> bool:
    """Return whether the node waited already when the event came."""
    return state.wait is not None and state.wait.armed_at is not None and state.wait.armed_at <= given.at
