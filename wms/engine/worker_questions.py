"""Ask the step workers of a pool about the code of a definition: one worker that offers it, and if it is silent,
another.

If a worker has died, its queue does not exist any more, so the question goes to the next worker at once. If a worker
dies while it has the question, it does not answer in time.
"""

import itertools
from datetime import timedelta
from typing import Any

from runtime.amqp import Unroutable
from runtime.bus.questions import Asks
from runtime.clock import utc_now
from runtime.kernel.store import Store
from runtime.telemetry import log
from schemas.broker.topology import worker_address
from schemas.engine.start_gates import GateSettings
from schemas.errors import Broken, Unavailable
from schemas.ids import DefinitionHash
from schemas.questions.bases import Answer
from schemas.questions.step_code import (
    EvaluateResume,
    EvaluateStart,
    FormEvaluated,
    FormVerdict,
    GateRulesRead,
    ReadGateRules,
    StepsQuestion,
)
from wms.engine import repository
from wms.engine.life.form_verdicts import find_form_values
from wms.engine.step_workers import SILENCE

#: How long one worker may take. Its own limit for user code is shorter.
PATIENCE_S = 6.0
#: How many workers may leave the question without an answer.
_MAX_TRIES = 2


class WorkerQuestions:
    """Asks step workers questions about user code."""

    def __init__(
        self, asks: Asks, store: Store, *, silence: timedelta = SILENCE, patience_s: float = PATIENCE_S
    ) -> None:
        self._asks = asks
        self._store = store
        self._silence = silence
        self._patience_s = patience_s
        self._turn = itertools.count()

    async def evaluate_form(self, question: EvaluateStart | EvaluateResume, pool: str) -> dict[str, Any]:
        """Let a step worker of `pool` evaluate a form. Return the values of the complete form, by field.

        Raises:
            Unavailable: no worker that offers the definition is present, or none has answered.
            Rejected: the form is incomplete or not valid, or the workflow refuses; see `find_form_values`.
            Broken: the worker answers something else, or this version does not know the verdict.
        """
        answer = await self.ask(question, pool)
        if not isinstance(answer, FormEvaluated):
            raise Broken(f"a step worker answers a form with {answer.kind!r}")
        return find_form_values(answer)

    async def read_gate_settings(self, name: str, digest: DefinitionHash, pool: str) -> GateSettings:
        """Return the settings of a worker of `pool` that say on which subscriptions its workflows may start.

        Ask a worker that offers the workflow `name` with the hash `digest`.

        Raises:
            Unavailable: no such worker is present, or none has answered.
            Broken: the worker answers another question.
        """
        answer = await self.ask(ReadGateRules(definition=name, definition_hash=digest), pool)
        if not isinstance(answer, GateRulesRead):
            raise Broken(f"a step worker answers the question for its settings with {answer.kind!r}")
        return answer.make_settings()

    async def ask(self, question: StepsQuestion, pool: str) -> Answer:
        """Ask a step worker of `pool`, and return its answer.

        Raises:
            Unavailable: no present worker offers the definition in this version, or none has answered.
        """
        n_tries = 0
        for worker in await self._list_workers(question, pool):
            try:
                answer = await self._asks.ask(question, to=worker_address(pool, worker), timeout_s=self._patience_s)
            except Unroutable:
                continue  # it has died
            except Unavailable as error:
                log.warning("a step worker did not answer", worker=worker, question=question.kind, reason=error.reason)
                n_tries += 1
                if n_tries == _MAX_TRIES:
                    raise _make_refusal(f"no answer of a step worker of the pool {pool!r}", pool) from error
                continue
            if isinstance(answer, FormEvaluated) and answer.verdict is FormVerdict.NOT_OFFERED:
                continue
            return answer
        if n_tries:
            raise _make_refusal(f"no answer of a step worker of the pool {pool!r}", pool)
        raise _make_refusal(f"no step worker of the pool {pool!r} offers {question.definition!r}", pool)

    async def _list_workers(self, question: StepsQuestion, pool: str) -> list[str]:
        alive = await repository.load_step_workers(self._store, utc_now() - self._silence)
        names = [one.name for one in alive if one.pool == pool and question.definition_hash in one.hashes]
        if len(names) < 2:
            return names * _MAX_TRIES  # the only worker may have been too busy
        first = next(self._turn) % len(names)
        return [*names[first:], *names[:first]]


def _make_refusal(reason: str, pool: str) -> Unavailable:
    return Unavailable(reason, hint=f"start one: ewms worker --pool {pool} --module ...")
