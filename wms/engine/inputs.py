"""Deliver an event from outside to the nodes that wait for it, or keep the event for a node that waits later.

The engine stores an event before it looks for nodes, and a wait before it looks for events. So event and wait cannot
miss each other.
"""

from runtime.failpoints import failpoint
from runtime.kernel.store import Store
from schemas.ids import NodeKey, RunId
from schemas.run_documents import InputDocument
from schemas.runs import NodeStatus, WaitAnswer
from wms.engine import repository
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
        """Store an event, and deliver it to the nodes that wait for it. Return how many nodes it has ended.

        If it has ended none, the event is kept for a later node.
        """
        await repository.keep_input(self._store, given)
        failpoint("engine.input_kept")
        n_ended = 0
        for run_id, state in await repository.find_waiting_nodes(self._store, given.name, given.correlation):
            n_ended += await self._give_input(given, run_id, state.key)
        return n_ended

    async def seek_input(self, run: OpenRun, number: int) -> None:
        """If an event came before this node began to wait for it, deliver the event."""
        state = run.nodes[number]
        if state.wait is None or state.status is not NodeStatus.WAITING:
            return
        early = await repository.find_early_input(self._store, state.wait.name, state.wait.correlation)
        if early is not None:
            await self._give_input(early, run.facts.id, state.key)

    async def _give_input(self, given: InputDocument, run_id: RunId, node: NodeKey) -> bool:
        answer = WaitAnswer(id=given.id, body=given.body, who=given.who, at=given.at)
        verdict = await self._engine.answer_wait(run_id, node, answer)
        if verdict not in (AnswerVerdict.ENDS, AnswerVerdict.DUPLICATE):
            return False
        await repository.note_consumption(self._store, given.id, run_id, node)
        return verdict is AnswerVerdict.ENDS
