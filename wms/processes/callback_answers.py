"""Take the answers to callbacks: another system, which a step has called, answers with a token, perhaps after progress
reports.

The token is enough, so the caller needs no other right.
"""

import hashlib
import json
from typing import Any

from runtime.clock import stored_now
from schemas.engine.graph import WaitKind
from schemas.engine.run_documents import RunDocument
from schemas.engine.runs import NodeState, WaitAnswer
from schemas.errors import Conflict, NotFound
from schemas.ids import RunUuid
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.life.stimuli import CallbackProgress
from wms.engine.life.waiting import AnswerVerdict

_TAKEN = {AnswerVerdict.ENDS, AnswerVerdict.KEPT, AnswerVerdict.DUPLICATE}
_OVER = {AnswerVerdict.LATE, AnswerVerdict.EXPIRED}


class CallbackAnswers:
    """Takes the answers to the callbacks of all processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def answer_callback(self, process_id: RunUuid, token: str, body: Any) -> None:
        """Answer the callback that a process waits for. The same answer again changes nothing.

        Raises:
            NotFound: there is no such process, or the token is wrong or was replaced by a newer one.
            Conflict: the process does not wait for this answer any more.
        """
        run = await self._find_run(process_id)
        said = json.dumps(body, sort_keys=True, default=str)
        answer_id = hashlib.sha256(f"{token}/{said}".encode()).hexdigest()
        answer = WaitAnswer(id=answer_id, body=body, who="callback", at=stored_now())
        for node in _list_callbacks(run):
            verdict = await self._engine.answer_wait(run.id, node.key, answer, token=token)
            if verdict in _TAKEN:
                return
            _check_open(verdict)
        raise NotFound("no process waits for this callback")

    async def note_progress(self, process_id: RunUuid, token: str, progress: Any) -> None:
        """Store the progress that the other system reports. The time limit of the wait stays the same.

        Raises:
            NotFound, Conflict: as `answer_callback`.
        """
        run = await self._find_run(process_id)
        for node in _list_callbacks(run):
            verdict = await self._engine.apply_stimulus(run.id, CallbackProgress(node.key, token, progress))
            if verdict is None:
                return
            _check_open(verdict)
        raise NotFound("no process waits for this callback")

    async def _find_run(self, process_id: RunUuid) -> RunDocument:
        run = await repository.find_run(self._engine.store, process_id)
        if run is None:
            raise NotFound(f"no process found with id: {process_id}")
        return run


def _check_open(verdict: AnswerVerdict) -> None:
    if verdict in _OVER:
        raise Conflict("the process does not wait for this callback any more")


def _list_callbacks(run: RunDocument) -> list[NodeState]:
    return [node for node in run.nodes if node.wait is not None and node.wait.kind is WaitKind.CALLBACK]
