"""Schedules for programs with an event loop. `ewms.trees.plain_schedules` has the same methods without `await`."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from ewms.gateway.http import Gateway
from schemas.api.workflows.explanation import ObjectExplanation
from schemas.errors import NotFound


class AsyncScheduleClient:
    """The schedules of one server. Its methods take the number or the name of a schedule."""

    def __init__(self, open_gateway: Callable[[], Gateway]) -> None:
        self._open_gateway = open_gateway

    async def add(
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
        body = {
            "unified_job_template": template,
            "name": name,
            "rrule": rule,
            "enabled": enabled,
            "start_deadline_s": start_deadline_s,
            "skip_if_running": skip_if_running,
        }
        if variables:
            body["extra_data"] = dict(variables)
        return dict(await self._open_gateway().post_json("/schedules/", body))

    async def find(self, schedule: str) -> Mapping[str, Any]:
        """Return the schedule with this number or name, as the JSON object of the REST API.

        Raises:
            NotFound: there is no such schedule, or several have the name.
        """
        found = await self._list({"id" if schedule.isdecimal() else "name": schedule})
        if len(found) != 1:
            n = "several schedules are" if found else "no schedule is"
            raise NotFound(f"{n} called {schedule!r}", hint="give the number of one" if found else "")
        return found[0]

    async def explain(self, schedule: str) -> ObjectExplanation:
        """Return why the schedule launches nothing, or when it does: causes with remedies, the most serious first.

        Raises:
            NotFound: there is no such schedule, or several have the name.
        """
        found = await self.find(schedule)
        answer = await self._open_gateway().get_json(f"/schedules/{found['id']}/explain/")
        return ObjectExplanation.model_validate(answer, extra="ignore")

    async def list_all(self, *, template: int | None = None) -> list[Mapping[str, Any]]:
        """Return the first 200 schedules, by their numbers; with `template`, those of the template with this number."""
        return await self._list({} if template is None else {"unified_job_template": template})

    async def _list(self, query: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        wanted = urlencode({**query, "page_size": 200})
        return [dict(each) for each in (await self._open_gateway().get_json(f"/schedules/?{wanted}"))["results"]]

    async def preview(self, rule: str, *, count: int = 10) -> list[str]:
        """Return the next occurrences of a rule, as ISO 8601 in its time zone.

        Raises:
            Rejected: the rule is wrong.
        """
        shown = await self._open_gateway().post_json("/schedules/preview/", {"rrule": rule, "count": count})
        return [str(at) for at in shown["local"]]

    async def enable(self, schedule: str) -> Mapping[str, Any]:
        """Let the schedule launch from now on, and return it. It does not make up for the times that have passed
        meanwhile.

        Raises:
            NotFound: there is no such schedule, or several have the name.
        """
        return await self._change(schedule, {"enabled": True})

    async def disable(self, schedule: str) -> Mapping[str, Any]:
        """Let the schedule launch nothing from now on, and return it.

        Raises:
            NotFound: there is no such schedule, or several have the name.
        """
        return await self._change(schedule, {"enabled": False})

    async def _change(self, schedule: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        found = await self.find(schedule)
        return dict(await self._open_gateway().put(f"/schedules/{found['id']}/", fields))

    async def delete(self, schedule: str) -> None:
        """Delete the schedule. The jobs that it has launched stay.

        Raises:
            NotFound: there is no such schedule, or several have the name.
        """
        found = await self.find(schedule)
        await self._open_gateway().delete(f"/schedules/{found['id']}/")
