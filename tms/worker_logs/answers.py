"""Answers for this TMS on the bus: only WMS may ask, which has checked on whose behalf."""

import asyncio

from runtime.bus.service_bus import Caller
from schemas.errors import Forbidden, Rejected
from schemas.logs import LogQuery, LogsQuery
from schemas.questions import Answer, Question
from schemas.services import Service
from tms.files import Home
from tms.worker_logs import reading


class Answers:
    """Handles requests."""

    def __init__(self, home: Home) -> None:
        self._home = home

    async def answer(self, request: Question, caller: Caller) -> Answer:
        """Answer one request of `caller`, whom the broker has checked."""
        if str(caller) != Service.WMS:
            raise Forbidden
        match request:
            case LogsQuery():
                return await asyncio.to_thread(reading.listed, self._home, request)
            case LogQuery():
                return await asyncio.to_thread(reading.read, self._home, request)
            case _:
                raise Rejected(f"a TMS has no answer to {request.kind}")
