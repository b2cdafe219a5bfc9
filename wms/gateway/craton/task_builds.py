"""The routes of builds: the log as text and as a stream, and the reports of builders."""

from pydantic import BaseModel
from starlette.responses import Response

from runtime.web.callers.gatekeeper import ANYBODY
from runtime.web.news.event_streams import EventStreams, read_last_event_id
from runtime.web.route import Call, Route, answer_nothing
from schemas.automation.builds import REPORT_TOKEN_HEADER, BuildReport
from schemas.automation.catalogue import CatalogueTask
from wms.catalogue.builds.build_reports import BuildReports
from wms.catalogue.life.version_parts import find_version
from wms.gateway.craton.task_calls import NAMED, OF_ONE, TaskCalls
from wms.tenancy.rights import Action, roles_for

#: Says how far a log was read: the value of `after` for the part that follows.
PLACE_HEADER = "X-EWMS-Log-Place"
_NUMBER = {"type": "integer", "minimum": 0}
_VERSION = {"type": "integer", "minimum": 1}


class TaskBuildRoutes:
    """Handlers of /tasks/{task}/log and /builds/{build}/reports."""

    def __init__(self, calls: TaskCalls, reports: BuildReports, streams: EventStreams) -> None:
        self._calls = calls
        self._reports = reports
        self._streams = streams

    def routes(self) -> list[Route]:
        """Return the routes."""
        log = f"{OF_ONE}/log"
        return [
            Route(
                "GET",
                log,
                self.read_log,
                "Get the log of a version's last build, or what follows a place in it",
                roles=roles_for(Action.SEE_TASK),
                media_type="text/plain",
                errors=(404,),
                query={"version": False, "after": False},
                parameters={**NAMED, "version": _VERSION, "after": _NUMBER},
            ),
            Route(
                "GET",
                f"{log}/events",
                self.follow_log,
                "Follow this log as server-sent events, until the build is over",
                roles=roles_for(Action.SEE_TASK),
                media_type="text/event-stream",
                errors=(404,),
                query={"version": False, "last_event_id": False},
                parameters={**NAMED, "version": _VERSION},
            ),
            Route(
                "POST",
                "/builds/{build}/reports",
                self.take_report,
                "Report about a build. Builders call this, with the token of the build",
                roles=ANYBODY,
                body=BuildReport,
                codes=(204,),
                errors=(404, 409, 413),
            ),
        ]

    async def read_log(self, call: Call) -> Response:
        """Answer with the next 200 parts of the log. The header says where the rest begins."""
        _, task = await self._calls.find_task(call, Action.SEE_TASK)
        after = call.read_number("after", 0)
        rows = await self._reports.read_log(_find_build(call, task), after)
        return Response(
            "".join(row.text for row in rows),
            media_type="text/plain; charset=utf-8",
            headers={
                # The text comes from user code: no browser may show it as a page.
                "X-Content-Type-Options": "nosniff",
                PLACE_HEADER: str(rows[-1].place if rows else after),
            },
        )

    async def follow_log(self, call: Call) -> Response:
        _, task = await self._calls.find_task(call, Action.SEE_TASK)
        events = self._reports.follow_log(task.id, _find_build(call, task), read_last_event_id(call))
        return self._streams.open_stream(call, events)

    async def take_report(self, call: Call) -> Response:
        body: BaseModel = call.body
        assert isinstance(body, BuildReport)
        token = call.request.headers.get(REPORT_TOKEN_HEADER, "")
        await self._reports.take_report(call.read_path("build"), token, body)
        return answer_nothing()


def _find_build(call: Call, task: CatalogueTask) -> str:
    """Return the last build of the version that the query names; without one, of the latest version.

    Raises:
        NotFound: the task has no such version.
    """
    number = call.read_number("version", 0) or None
    return find_version(task, number).last_build
