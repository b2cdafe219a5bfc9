"""Schedules for programs without an event loop: the names of `ewms.trees.async_schedules`, without `await`."""

from collections.abc import Mapping
from typing import Any

from ewms.loop_thread import LoopThread
from ewms.trees.async_schedules import AsyncScheduleClient
from schemas.api.workflows.explanation import ObjectExplanation


class ScheduleClient:
    """The schedules of one server. Its methods take the number or the name of a schedule."""

    def __init__(self, portal: LoopThread, schedules: AsyncScheduleClient) -> None:
        self._portal = portal
        self._schedules = schedules

    def add(
        self,
        template: str,
        name: str,
        rule: str,
        *,
        variables: Mapping[str, Any] | None = None,
        enabled: bool = True,
        start_deadline_s: int | None = None,
        skip_if_running: bool = False,
    ) -> Mapping[str, Any]:
        """Create a schedule that launches a template, with these variables, at the times of a rule. Return the
        schedule.

        `template` is a number or a name. A `rule` is a text such as `DTSTART;TZID=Europe/Berlin:20260101T023000
        RRULE:FREQ=DAILY`. The schedule skips an occurrence that the server reaches more than `start_deadline_s` seconds
        late; None: it launches, however late. With `skip_if_running` it skips one while an earlier job of it is not
        over.

        Raises:
            Refused: the rule is wrong, the name is taken, or the template does not ask for one of the variables.
        """
        return self._portal.run_coroutine(
            lambda: self._schedules.add(
                template,
                name,
                rule,
                variables=variables,
                enabled=enabled,
                start_deadline_s=start_deadline_s,
                skip_if_running=skip_if_running,
            )
        )

    def find(self, schedule: str) -> Mapping[str, Any]:
        """Return the schedule with this number or name, as the JSON object of the REST API.

        Raises:
            NotFound: there is no such schedule, or several have the name.
        """
        return self._portal.run_coroutine(lambda: self._schedules.find(schedule))

    def explain(self, schedule: str) -> ObjectExplanation:
        """Return why the schedule launches nothing, or when it does: causes with remedies, the most serious first.

        Raises:
            NotFound: there is no such schedule, or several have the name.
        """
        return self._portal.run_coroutine(lambda: self._schedules.explain(schedule))

    def list_all(self, *, template: int | None = None) -> list[Mapping[str, Any]]:
        """Return the first 200 schedules, by their numbers; with `template`, those of the template with this number."""
        return self._portal.run_coroutine(lambda: self._schedules.list_all(template=template))

    def preview(self, rule: str, *, count: int = 10) -> list[str]:
        """Return the next occurrences of a rule, as ISO 8601 in its time zone.

        Raises:
            Rejected: the rule is wrong.
        """
        return self._portal.run_coroutine(lambda: self._schedules.preview(rule, count=count))

    def enable(self, schedule: str) -> Mapping[str, Any]:
        """Let the schedule launch from now on, and return it. It does not make up for the times that have passed
        meanwhile.

        Raises:
            NotFound: there is no such schedule, or several have the name.
        """
        return self._portal.run_coroutine(lambda: self._schedules.enable(schedule))

    def disable(self, schedule: str) -> Mapping[str, Any]:
        """Let the schedule launch nothing from now on, and return it.

        Raises:
            NotFound: there is no such schedule, or several have the name.
        """
        return self._portal.run_coroutine(lambda: self._schedules.disable(schedule))

    def delete(self, schedule: str) -> None:
        """Delete the schedule. The jobs that it has launched stay.

        Raises:
            NotFound: there is no such schedule, or several have the name.
        """
        self._portal.run_coroutine(lambda: self._schedules.delete(schedule))
