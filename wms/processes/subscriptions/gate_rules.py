"""Read the settings that decide on which subscriptions workflows may start, from a step worker of each pool."""

from collections.abc import Iterable

from runtime.telemetry import log
from schemas.engine.graph import Definition
from schemas.engine.start_gates import GateSettings
from schemas.errors import EWMSError
from wms.engine.worker_questions import WorkerQuestions


class GateRules:
    """Reads from step workers the gate settings of their pools: on which subscriptions their workflows may start."""

    def __init__(self, questions: WorkerQuestions) -> None:
        self._questions = questions

    async def read_settings(self, definitions: Iterable[Definition]) -> dict[str, GateSettings]:
        """Return pool -> gate settings, for the pools of `definitions`. Leave out a pool of which no worker answers.

        The default settings apply to a pool that is left out.
        """
        found: dict[str, GateSettings] = {}
        for definition in definitions:
            if definition.pool in found:
                continue
            name, digest, pool = definition.name, definition.hash, definition.pool
            try:
                found[pool] = await self._questions.read_gate_settings(name, digest, pool)
            except EWMSError as error:
                log.info("no step worker says where a workflow may start", workflow=name, reason=error.reason)
        return found
