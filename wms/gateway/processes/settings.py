"""The routes about the server as a whole: the lock of the engine, the step workers, and whether it is there."""

from enum import StrEnum

from pydantic import BaseModel
from starlette.responses import Response

from runtime.web.callers.gatekeeper import ANYBODY
from runtime.web.route import Call, Route, answer_json
from wms.gateway.processes.bodies import LockBody
from wms.gateway.processes.callers import Callers
from wms.processes.definition_reader import DefinitionReader, WorkerStatus
from wms.processes.engine_switch import EngineLock, EngineSwitch
from wms.tenancy.rights import Action, roles_for


class EngineStatus(StrEnum):
    """Whether steps may begin, and whether some still run although none may begin."""

    RUNNING = "RUNNING"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"


class LockStatus(BaseModel):
    """The lock of the engine."""

    global_lock: bool
    running_processes: int
    global_status: EngineStatus


class AliveAnswer(BaseModel):
    """The answer of a server that runs."""

    status: str


class SettingsRoutes:
    """Handlers of /settings and /health."""

    def __init__(self, callers: Callers, switch: EngineSwitch, definitions: DefinitionReader) -> None:
        self._callers = callers
        self._switch = switch
        self._definitions = definitions

    def routes(self) -> list[Route]:
        """Return the routes."""
        sees, changes = roles_for(Action.SEE_SETTINGS), roles_for(Action.CHANGE_SETTINGS)
        status = "/settings/status"
        return [
            Route("GET", status, self.get_status, "See whether new steps begin", roles=sees, answer=LockStatus),
            Route(
                "PUT",
                status,
                self.set_status,
                "Lock the engine, so that no new step begins, or let it go on",
                roles=changes,
                body=LockBody,
                answer=LockStatus,
                errors=(413,),
            ),
            Route(
                "GET",
                "/settings/worker-status",
                self.get_worker_status,
                "See which step workers are there, since when, and what they offer",
                roles=sees,
                answer=WorkerStatus,
            ),
            Route("GET", "/health", self.get_health, "See that the server is there", roles=ANYBODY, answer=AliveAnswer),
        ]

    async def get_status(self, _: Call) -> Response:
        return answer_json(describe_lock(await self._switch.find_lock()))

    async def set_status(self, call: Call) -> Response:
        body: LockBody = call.body
        principal = await self._callers.find_principal(call)
        return answer_json(describe_lock(await self._switch.set_lock(principal, is_locked=body.global_lock)))

    async def get_worker_status(self, _: Call) -> Response:
        return answer_json(await self._definitions.describe_workers())

    async def get_health(self, _: Call) -> Response:
        return answer_json(AliveAnswer(status="OK"))


def describe_lock(lock: EngineLock) -> LockStatus:
    """Return the lock as clients see it."""
    paused = EngineStatus.PAUSING if lock.n_running else EngineStatus.PAUSED
    return LockStatus(
        global_lock=lock.is_locked,
        running_processes=lock.n_running,
        global_status=paused if lock.is_locked else EngineStatus.RUNNING,
    )
