"""Answer questions about workers' logs over the bus. Only WMS may ask, and it has checked the user's rights."""

import asyncio

from runtime.bus.service_bus import Caller
from schemas.broker.services import Service
from schemas.errors import Forbidden, Rejected
from schemas.questions.bases import Answer, Question
from schemas.questions.worker_logs import LogQuery, LogsQuery
from tms.files import TmsDirectory
from tms.worker_logs import reading


class WorkerLogDesk:
    """Answers WMS's questions about the logs of workers: which there are, and a part of one."""

    def __init__(self, home: TmsDirectory) -> None:
        self._home = home

    async def answer_question(self, request: Question, caller: Caller) -> Answer:
        """Return the answer to WMS's question about the logs of workers. The broker has checked that `caller` is the
        sender.

        Raises:
            Forbidden: the caller is not WMS.
            NotFound: there is no such taskforce or log.
            Rejected: a TMS does not answer this question.
        """
        if str(caller) != Service.WMS:
            raise Forbidden
        match request:
            case LogsQuery():
                return await asyncio.to_thread(reading.list_logs, self._home, request)
            case LogQuery():
                return await asyncio.to_thread(reading.read_log, self._home, request)
            case _:
                raise Rejected(f"a TMS has no answer to {request.kind}")
