"""Jobs for programs with an event loop. `ewms.jobs.plain_jobs` has the same without `await`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from ewms.durations import Duration, parse_seconds
from ewms.errors import TimedOut
from ewms.gateway.http import Gateway
from schemas.api.automation.jobs import (
    JobHostsAnswer,
    JobHostSeen,
    JobLogAnswer,
    JobLogPart,
    JobsAnswer,
    JobSeen,
    JobSummary,
    TaskListsAnswer,
    TaskListSeen,
)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 2.0
_PAGE = 200


class AsyncHostJobClient:
    """The jobs of one server, and its saved lists of tasks. Each is named by its id."""

    def __init__(self, open_gateway: Callable[[], Gateway]) -> None:
        self._open_gateway = open_gateway

    async def start(self, fields: Mapping[str, Any]) -> JobSeen:
        """Start a job, and return it. `fields` are the body of `POST /v1/jobs`.

        Raises:
            Refused: a field breaks a rule, or you may not run this there.
            AlreadyThere: a task is not Ready.
        """
        return _parse_job(await self._open_gateway().post_json("/jobs", dict(fields)))

    async def list_latest(self, n: int = 50, *, inventory: int | None = None) -> list[JobSummary]:
        """Return the `n` latest jobs that you see, the newest first; those on one inventory, if it is given."""
        query = {} if inventory is None else {"inventory": inventory}
        found: list[JobSummary] = []
        marker: int | None = 0
        while marker is not None and len(found) < n:
            size = min(n - len(found), _PAGE)
            path = f"/jobs?{urlencode({**query, 'limit': size, 'marker': marker})}"
            page = JobsAnswer.model_validate(await self._open_gateway().get_json(path), extra="ignore")
            found += page.jobs
            marker = page.next
        return found

    async def show(self, job: int) -> JobSeen:
        """Return a job with its tasks.

        Raises:
            NotThere: there is no such job for you.
        """
        return _parse_job(await self._open_gateway().get_json(f"/jobs/{job}"))

    async def follow(self, job: int) -> AsyncIterator[JobSeen]:
        """Yield a job now and after each change, until it is over."""
        seen: JobSeen | None = None
        pause_s = _FIRST_PAUSE_S
        while True:
            found = await self.show(job)
            if found != seen:
                seen, pause_s = found, _FIRST_PAUSE_S
                yield found
            if found.ended_at is not None:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)

    async def wait(self, job: int, *, timeout: Duration | None = None) -> JobSeen:
        """Wait until a job is over, and return it.

        Raises:
            TimedOut: `timeout` has passed.
        """
        ends_at = None if timeout is None else time.monotonic() + parse_seconds(timeout)
        pause_s = _FIRST_PAUSE_S
        while True:
            found = await self.show(job)
            if found.ended_at is not None:
                return found
            if ends_at is not None and time.monotonic() + pause_s > ends_at:
                raise TimedOut(f"job {job} is {found.status} still", hint=f"ewms job watch {job}")
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)

    async def list_hosts(self, job: int, *, state: str = "") -> list[JobHostSeen]:
        """Return the hosts of a job with their results, in the inventory's order; those in a state, if it is given."""
        query = {"state": state} if state else {}
        found: list[JobHostSeen] = []
        marker: int | None = 0
        while marker is not None:
            path = f"/jobs/{job}/hosts?{urlencode({**query, 'limit': _PAGE, 'marker': marker})}"
            page = JobHostsAnswer.model_validate(await self._open_gateway().get_json(path), extra="ignore")
            found += page.hosts
            marker = page.next
        return found

    async def show_host(self, job: int, host: str) -> JobHostSeen:
        """Return a host of a job with its results.

        Raises:
            NotThere: the job has no such host.
        """
        path = f"/jobs/{job}/hosts/{quote(host, safe='')}"
        return JobHostSeen.model_validate(await self._open_gateway().get_json(path), extra="ignore")

    async def read_log(
        self, job: int, *, host: str = "", task: int | None = None, follow: bool = False
    ) -> AsyncIterator[JobLogPart]:
        """Yield what the containers of a job wrote, each stream in its order; of one host or task, if it is given.

        With `follow`, go on until the job is over.
        """
        given = {"host": host or None, "task": task}
        query = {name: value for name, value in given.items() if value is not None}
        place, pause_s = 0, _FIRST_PAUSE_S
        while True:
            is_over = not follow or (await self.show(job)).ended_at is not None
            # The log once more after the job was seen to be over: so nothing is missed.
            while True:
                path = f"/jobs/{job}/log?{urlencode({**query, 'after': place, 'limit': _PAGE})}"
                page = JobLogAnswer.model_validate(await self._open_gateway().get_json(path), extra="ignore")
                for part in page.parts:
                    yield part
                if page.next == place:
                    break
                place, pause_s = page.next, _FIRST_PAUSE_S
            if is_over:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 1.5)

    async def cancel(self, job: int) -> JobSeen:
        """Request the end of a job, and return it.

        Raises:
            AlreadyThere: it is over.
        """
        return _parse_job(await self._open_gateway().post_json(f"/jobs/{job}/actions/cancel", {}))

    async def rerun(self, job: int, *, hosts: str = "failed") -> JobSeen:
        """Start a job of the same tasks on hosts of a job that is over: `failed`, `unfinished` or `all`. Return it.

        Raises:
            AlreadyThere: the job goes on, or no host is to run again.
        """
        return _parse_job(await self._open_gateway().post_json(f"/jobs/{job}/actions/rerun", {"hosts": hosts}))

    async def delete(self, job: int) -> None:
        """Delete a job that is over, with its results.

        Raises:
            AlreadyThere: it is not over.
        """
        await self._open_gateway().delete(f"/jobs/{job}")

    async def save_list(self, fields: Mapping[str, Any]) -> TaskListSeen:
        """Save an ordered list of tasks, and return it. `fields` are the body of `POST /v1/workflow`.

        Raises:
            Refused: a field breaks a rule.
            AlreadyThere: its organization has a list of this name.
        """
        return _parse_list(await self._open_gateway().post_json("/workflow", dict(fields)))

    async def list_lists(self) -> list[TaskListSeen]:
        """Return the saved lists that you see, by id."""
        found: list[TaskListSeen] = []
        marker: int | None = 0
        while marker is not None:
            path = f"/workflow?{urlencode({'limit': _PAGE, 'marker': marker})}"
            page = TaskListsAnswer.model_validate(await self._open_gateway().get_json(path), extra="ignore")
            found += page.workflows
            marker = page.next
        return found

    async def show_list(self, saved: int) -> TaskListSeen:
        """Return a saved list.

        Raises:
            NotThere: there is no such list for you.
        """
        return _parse_list(await self._open_gateway().get_json(f"/workflow/{saved}"))

    async def change_list(self, saved: int, fields: Mapping[str, Any]) -> TaskListSeen:
        """Set fields of a saved list, and return it.

        Raises:
            Refused: a field breaks a rule, or you may not change it.
        """
        return _parse_list(await self._open_gateway().put(f"/workflow/{saved}", dict(fields)))

    async def delete_list(self, saved: int) -> None:
        """Delete a saved list. Its jobs stay."""
        await self._open_gateway().delete(f"/workflow/{saved}")


def _parse_job(answer: Any) -> JobSeen:
    return JobSeen.model_validate(answer, extra="ignore")


def _parse_list(answer: Any) -> TaskListSeen:
    return TaskListSeen.model_validate(answer, extra="ignore")
