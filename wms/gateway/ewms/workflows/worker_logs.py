"""The routes of workers' logs. The gateway checks that the caller may see them, and asks the TMS that has them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from runtime.bus.questions import Asks
from runtime.web.route import Call, Route, answer_json
from schemas.broker.topology import tms_service
from schemas.errors import Broken, NotFound, Rejected, Unavailable
from schemas.fleet.documents import TASKFORCES
from schemas.ids import TaskforceUuid
from schemas.questions.bases import Answer
from schemas.questions.worker_logs import MAX_LOG_BYTES, LogAnswer, LogFile, LogQuery, LogsAnswer, LogsQuery, LogStream
from wms.fleet.reading.object_reader import ObjectReader
from wms.gateway.ewms.workflows.objects import read_object
from wms.gateway.roles import READERS

_MAX_PROC_DIGITS = 7
_MAX_NUMBER_DIGITS = 15


class WorkerLogs(BaseModel):
    """The answer that lists a taskforce's logs."""

    model_config = ConfigDict(frozen=True)

    taskforce_uuid: str
    logs: list[LogFile]
    next_proc: int | None = Field(description="The value of `first_proc` for the next page; null at the end.")


_NUMBER = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
_LOG_NAME = {"type": "string", "pattern": r"^[0-9]{1,7}\.(out|err)$"}


class WorkerLogRoutes:
    """Handlers of /taskforces/{taskforce_uuid}/logs."""

    def __init__(self, reader: ObjectReader, bus: Asks) -> None:
        self._reader = reader
        self._bus = bus

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_taskforce = "/taskforces/{taskforce_uuid}/logs"
        return [
            Route(
                "GET",
                of_taskforce,
                self.list_logs,
                "List the workers' logs",
                roles=READERS,
                answer=WorkerLogs,
                errors=(404,),
                query={"first_proc": False},
                parameters={"first_proc": {**_NUMBER, "maximum": 10**7 - 1}},
            ),
            Route(
                "GET",
                f"{of_taskforce}/{{name}}",
                self.read_log,
                "Get a worker's stdout or stderr",
                roles=READERS,
                media_type="text/plain",
                is_heavy=True,
                errors=(404,),
                query={"offset": False, "tail": False},
                parameters={"name": _LOG_NAME, "offset": _NUMBER, "tail": _NUMBER},
            ),
        ]

    async def list_logs(self, call: Call) -> Response:
        first_proc = _read_number(call, "first_proc", 0, digits=_MAX_PROC_DIGITS)
        uuid, service = await self._locate_logs(call)
        match await self._ask_tms(LogsQuery(taskforce_uuid=uuid, first_proc=first_proc), service):
            case LogsAnswer(files=files, next_proc=next_proc):
                return answer_json(WorkerLogs(taskforce_uuid=uuid, logs=files, next_proc=next_proc))
            case other:
                raise Broken(f"the TMS answered {other.kind}")

    async def read_log(self, call: Call) -> Response:
        """Answer with at most 1 MiB of a log: from its start, from the byte `offset`, or its last `tail` bytes.

        Raises:
            Rejected: the name or a number is malformed, or the query has both `offset` and `tail`.
            NotFound: there is no such taskforce or log, or the caller may not see the taskforce.
            Broken: the TMS answers another question.
        """
        proc, stream = _parse_name(call.read_path("name"))
        offset = _read_number(call, "offset", 0)
        tail = _read_number(call, "tail", 0)
        if offset and tail:
            raise Rejected("offset and tail exclude each other: send one of them")
        uuid, service = await self._locate_logs(call)
        query = LogQuery(
            taskforce_uuid=uuid,
            proc=proc,
            stream=stream,
            offset=-min(tail, MAX_LOG_BYTES) if tail else offset,
            max_bytes=MAX_LOG_BYTES,
        )
        match await self._ask_tms(query, service):
            case LogAnswer(data=data, offset=start, n_bytes=n_bytes):
                return Response(
                    data,
                    media_type="text/plain; charset=utf-8",
                    headers={
                        # The text comes from user code: no browser may show it as a page.
                        "X-Content-Type-Options": "nosniff",
                        "X-EWMS-Log-Offset": str(start),
                        "X-EWMS-Log-Bytes": str(n_bytes),
                    },
                )
            case other:
                raise Broken(f"the TMS answered {other.kind}")

    async def _locate_logs(self, call: Call) -> tuple[TaskforceUuid, str]:
        """Return the id of the taskforce, and the TMS that has its logs.

        Raises:
            NotFound: the taskforce does not exist, or the caller may not see it.
        """
        uuid = call.read_path("taskforce_uuid")
        found: dict[str, Any] | None = await read_object(self._reader, TASKFORCES, uuid, call)
        if found is None:
            raise NotFound(f"no taskforce found with uuid: {uuid}")
        return TaskforceUuid(uuid), tms_service(found["schedd"])

    async def _ask_tms(self, query: LogsQuery | LogQuery, service: str) -> Answer:
        try:
            return await self._bus.ask(query, to=service, timeout_s=10.0)
        except Unavailable as error:
            raise Unavailable("the access point that has the logs does not answer") from error


def _parse_name(name: str) -> tuple[int, LogStream]:
    proc, _, stream = name.partition(".")
    if stream not in set(LogStream) or not (proc.isascii() and proc.isdecimal() and len(proc) <= _MAX_PROC_DIGITS):
        raise NotFound("no such log", hint="logs are called <proc>.out and <proc>.err")
    return int(proc), LogStream(stream)


def _read_number(call: Call, name: str, default: int, *, digits: int = _MAX_NUMBER_DIGITS) -> int:
    text = call.request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= digits):
        raise Rejected(f"{name} must be a whole number from 0, with at most {digits} digits")
    return int(text)
