"""Processes for programs with an event loop. `ewms.processes.plain_processes` has the same methods without `await`."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from ewms.durations import Duration, parse_seconds
from ewms.errors import FormNotComplete, TimedOut
from ewms.gateway.http import Gateway
from schemas.api.processes import ProcessDetail, ProcessStep, ProcessSummary
from schemas.api.workflows.explanation import ObjectExplanation
from schemas.engine.processes import ProcessStatus
from schemas.errors import Rejected

#: One page of a form as the user fills it in.
Page = Mapping[str, Any]

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_MAX_LISTED = 250
#: Where a process goes on by itself, without a person.
_GOES_ON = frozenset(
    {
        ProcessStatus.CREATED,
        ProcessStatus.RUNNING,
        ProcessStatus.RESUMED,
        ProcessStatus.WAITING,
        ProcessStatus.AWAITING_CALLBACK,
    }
)


class AsyncProcesses:
    """The processes of one server."""

    def __init__(self, open_gateway: Callable[[], Gateway]) -> None:
        self._open_gateway = open_gateway

    async def start(self, workflow: str, *, pages: Sequence[Page] = ({},), organization: str = "") -> "AsyncProcessRun":
        """Start a process of `workflow` with the pages of its form, and return it.

        A workflow without a form takes one empty page, which is the default. `organization` owns a process without a
        customer, if you may start processes in several.

        Raises:
            FormNotComplete: the form wants another page; the error has its JSON schema in `form`.
            Refused: a page is not valid, or the workflow may not start now; the reason says why.
            NotThere: no step worker has registered the workflow.
        """
        query = f"?{urlencode({'organization': organization})}" if organization else ""
        path = f"/processes/{_quote(workflow)}{query}"
        made = await self._open_gateway().post_json(path, [dict(page) for page in pages])
        return self.get(made["id"])

    async def next_form(self, workflow: str, *, pages: Sequence[Page] = ()) -> Mapping[str, Any] | None:
        """Return the JSON schema of the page that follows `pages`. Return None if the form needs no more pages. This
        starts nothing.

        Raises:
            Refused: a page is not valid; `members["validation_errors"]` names the fields.
        """
        try:
            await self._open_gateway().post_json(f"/forms/{_quote(workflow)}", [dict(page) for page in pages])
        except FormNotComplete as error:
            return error.form
        return None

    def get(self, process_id: str) -> "AsyncProcessRun":
        """Return the process with this id. This asks the server nothing."""
        return AsyncProcessRun(self._open_gateway, process_id)

    async def find(
        self, filters: Mapping[str, str] | None = None, *, sort: str = "", n: int = _MAX_LISTED
    ) -> list[ProcessSummary]:
        """Return at most `n` processes that match `filters`, the latest first.

        `filters` are fields and values such as `{"workflow_name": "create_node", "last_status": "failed"}`, and `sort`
        is such as "started_at,asc".

        Raises:
            Refused: there is no such field; the reason names those that there are.
        """
        wish = {"range": f"0,{max(0, n - 1)}", "sort": sort, "filter": join_filters(filters or {})}
        query = urlencode({name: value for name, value in wish.items() if value})
        found = await self._open_gateway().get_json(f"/processes?{query}")
        return [ProcessSummary.model_validate(one) for one in found]

    async def publish_event(
        self, name: str, body: Any = None, *, correlation: str = "", event_id: str = "", organization: str = ""
    ) -> int:
        """Publish an event for the processes that wait for it with this correlation. Return how many it brings on.

        If none waits, the server keeps the event for the first that does. To publish the same event again safely, give
        it an `event_id` of its own. `organization` owns the processes, if you have a role in several.

        Raises:
            AlreadyThere: another event has this `event_id`.
            Refused: your roles allow no input to processes there.
        """
        query = f"?{urlencode({'organization': organization})}" if organization else ""
        event = {"name": name, "correlation": correlation, "body": body, "id": event_id or str(uuid4())}
        answer = await self._open_gateway().post_json(f"/events{query}", event)
        return int(answer["n_ended"])

    async def workflows(self) -> list[Mapping[str, Any]]:
        """Return the workflows that users can start, in the order of their names, each as the JSON object of the REST
        API.
        """
        found: list[Mapping[str, Any]] = await self._open_gateway().get_json("/workflows")
        return found

    async def pools(self) -> list[Mapping[str, Any]]:
        """Return the pools of step workers, each as a JSON object. Its `workers` say what they offer, and since when
        they run.
        """
        found: Mapping[str, Any] = await self._open_gateway().get_json("/settings/worker-status")
        return list(found["pools"])


class AsyncProcessRun:
    """One process on the server. Creating this object asks the server nothing."""

    def __init__(self, open_gateway: Callable[[], Gateway], process_id: str) -> None:
        self._open_gateway = open_gateway
        self.id = process_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    async def show(self) -> ProcessDetail:
        """Return the process with its steps, its state, and the form that it waits for."""
        return ProcessDetail.model_validate(await self._open_gateway().get_json(self._path))

    async def explain(self) -> ObjectExplanation:
        """Return why the process stands as it does: causes with remedies, the most serious first.

        Raises:
            NotThere: the process does not exist, or you may not see it.
        """
        answer = await self._open_gateway().get_json(f"{self._path}/explain")
        return ObjectExplanation.model_validate(answer, extra="ignore")

    async def log(self) -> list[ProcessStep]:
        """Return the steps that have begun, with every failed attempt, in order."""
        return [step for step in (await self.show()).steps if step.started is not None or step.completed is not None]

    async def wait(self, *, timeout: Duration | None = None) -> ProcessDetail:
        """Wait until the process is over or a person has to act, and return it as it is then.

        A person has to act on a process that is suspended or failed: `resume` or `abort` it, and wait again.

        Raises:
            TimedOut: `timeout` has passed.
        """
        deadline = None if timeout is None else time.monotonic() + parse_seconds(timeout)
        pause_s = _FIRST_PAUSE_S
        while (await self._read_status()) in _GOES_ON:
            left_s = pause_s if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise TimedOut(f"process {self.id} is neither over nor does it need anybody after {timeout}")
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return await self.show()

    async def resume(self, *, pages: Sequence[Page] = ()) -> None:
        """Continue the process: with the pages of the form that it waits for, or with another attempt at the step that
        failed.

        Raises:
            FormNotComplete: the form wants another page.
            Refused: a page is not valid. The process has not changed.
            AlreadyThere: the status of the process does not allow this.
        """
        await self._open_gateway().put(f"{self._path}/resume", [dict(page) for page in pages])

    async def abort(self, *, reason: str = "") -> None:
        """Ask the server to end the process for good, and return at once. A step under way still runs to its end.

        Raises:
            AlreadyThere: it is over, or it is being aborted already.
        """
        await self._open_gateway().put(f"{self._path}/abort", {"reason": reason})

    @property
    def _path(self) -> str:
        return f"/processes/{_quote(self.id)}"

    async def _read_status(self) -> ProcessStatus:
        query = urlencode({"filter": f"process_id,{self.id}", "range": "0,0"})
        found = await self._open_gateway().get_json(f"/processes?{query}")
        if not found:
            # The server says what is wrong with the id.
            return (await self.show()).status
        return ProcessStatus(found[0]["last_status"])


def _quote(text: str) -> str:
    if not text or text in (".", ".."):
        raise Rejected(f"{text!r} is no name of a workflow and no id of a process")
    return quote(text, safe="")


def join_filters(filters: Mapping[str, str]) -> str:
    """Return `filters` as the server reads them: fields and values, separated by commas.

    Raises:
        Rejected: a field or a value has a comma.
    """
    for name, value in filters.items():
        if "," in f"{name}{value}":
            raise Rejected(f"a filter has no comma: {name}={value}")
    return ",".join(part for pair in filters.items() for part in pair)
