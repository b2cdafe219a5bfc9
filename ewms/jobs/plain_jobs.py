"""Jobs for programs without an event loop: as `ewms.jobs.async_jobs`, without `await`."""

from collections.abc import Iterator, Mapping
from typing import Any

from ewms.durations import Duration
from ewms.jobs.async_jobs import AsyncHostJobClient
from ewms.loop_thread import LoopThread
from schemas.api.automation.jobs import JobHostSeen, JobLogPart, JobSeen, JobSummary, TaskListSeen


class HostJobClient:
    """The jobs of one server, and its saved lists of tasks. Each is named by its id."""

    def __init__(self, portal: LoopThread, jobs: AsyncHostJobClient) -> None:
        self._portal = portal
        self._jobs = jobs

    def start(self, fields: Mapping[str, Any]) -> JobSeen:
        """Start a job, and return it. `fields` are the body of `POST /v1/jobs`.

        Raises:
            Refused: a field breaks a rule, or you may not run this there.
            AlreadyThere: a task is not Ready.
        """
        return self._portal.run_coroutine(lambda: self._jobs.start(fields))

    def list_latest(self, n: int = 50, *, inventory: int | None = None) -> list[JobSummary]:
        """Return the `n` latest jobs that you see, the newest first; those on one inventory, if it is given."""
        return self._portal.run_coroutine(lambda: self._jobs.list_latest(n, inventory=inventory))

    def show(self, job: int) -> JobSeen:
        """Return a job with its tasks.

        Raises:
            NotThere: there is no such job for you.
        """
        return self._portal.run_coroutine(lambda: self._jobs.show(job))

    def follow(self, job: int) -> Iterator[JobSeen]:
        """Yield a job now and after each change, until it is over."""
        return self._portal.run_iterator(self._jobs.follow(job))

    def wait(self, job: int, *, timeout: Duration | None = None) -> JobSeen:
        """Wait until a job is over, and return it.

        Raises:
            TimedOut: `timeout` has passed.
        """
        return self._portal.run_coroutine(lambda: self._jobs.wait(job, timeout=timeout))

    def list_hosts(self, job: int, *, state: str = "") -> list[JobHostSeen]:
        """Return the hosts of a job with their results, in the inventory's order; those in a state, if it is given."""
        return self._portal.run_coroutine(lambda: self._jobs.list_hosts(job, state=state))

    def show_host(self, job: int, host: str) -> JobHostSeen:
        """Return a host of a job with its results.

        Raises:
            NotThere: the job has no such host.
        """
        return self._portal.run_coroutine(lambda: self._jobs.show_host(job, host))

    def read_log(
        self, job: int, *, host: str = "", task: int | None = None, follow: bool = False
    ) -> Iterator[JobLogPart]:
        """Yield what the containers of a job wrote, each stream in its order; of one host or task, if it is given.

        With `follow`, go on until the job is over.
        """
        return self._portal.run_iterator(self._jobs.read_log(job, host=host, task=task, follow=follow))

    def cancel(self, job: int) -> JobSeen:
        """Request the end of a job, and return it.

        Raises:
            AlreadyThere: it is over.
        """
        return self._portal.run_coroutine(lambda: self._jobs.cancel(job))

    def rerun(self, job: int, *, hosts: str = "failed") -> JobSeen:
        """Start a job of the same tasks on hosts of a job that is over: `failed`, `unfinished` or `all`. Return it.

        Raises:
            AlreadyThere: the job goes on, or no host is to run again.
        """
        return self._portal.run_coroutine(lambda: self._jobs.rerun(job, hosts=hosts))

    def delete(self, job: int) -> None:
        """Delete a job that is over, with its results.

        Raises:
            AlreadyThere: it is not over.
        """
        self._portal.run_coroutine(lambda: self._jobs.delete(job))

    def save_list(self, fields: Mapping[str, Any]) -> TaskListSeen:
        """Save an ordered list of tasks, and return it. `fields` are the body of `POST /v1/workflow`.

        Raises:
            Refused: a field breaks a rule.
            AlreadyThere: its organization has a list of this name.
        """
        return self._portal.run_coroutine(lambda: self._jobs.save_list(fields))

    def list_lists(self) -> list[TaskListSeen]:
        """Return the saved lists that you see, by id."""
        return self._portal.run_coroutine(self._jobs.list_lists)

    def show_list(self, saved: int) -> TaskListSeen:
        """Return a saved list.

        Raises:
            NotThere: there is no such list for you.
        """
        return self._portal.run_coroutine(lambda: self._jobs.show_list(saved))

    def change_list(self, saved: int, fields: Mapping[str, Any]) -> TaskListSeen:
        """Set fields of a saved list, and return it.

        Raises:
            Refused: a field breaks a rule, or you may not change it.
        """
        return self._portal.run_coroutine(lambda: self._jobs.change_list(saved, fields))

    def delete_list(self, saved: int) -> None:
        """Delete a saved list. Its jobs stay."""
        self._portal.run_coroutine(lambda: self._jobs.delete_list(saved))
