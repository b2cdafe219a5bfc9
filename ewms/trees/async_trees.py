"""Decision trees for programs with an event loop. `ewms.trees.plain_trees` has the same methods without `await`."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from ewms.durations import Duration, parse_seconds
from ewms.errors import ServerAnswer, TimedOut, Unreachable
from ewms.gateway.http import Gateway
from ewms.trees.async_schedules import AsyncScheduleClient
from schemas.api.workflows.explanation import ObjectExplanation
from schemas.errors import NotFound, Rejected

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
#: How many trees one page has, at most.
_PAGE = 200
#: The forms of a drawn graph.
FORMS = ("mermaid", "dot")
#: The types of a survey's questions whose answers are texts.
_TEXT_QUESTIONS = frozenset({"text", "textarea", "password", "multiplechoice"})
#: The lists of notification templates. `any` stands for success and error.
NOTIFICATION_LISTS = ("started", "success", "error", "approvals", "any")


class AsyncTreeClient:
    """The decision trees of one server: launch a template, and look at its jobs."""

    def __init__(self, open_gateway: Callable[[], Gateway]) -> None:
        self._open_gateway = open_gateway

    @property
    def schedules(self) -> AsyncScheduleClient:
        """Return the schedules, which launch templates at the times of a rule."""
        return AsyncScheduleClient(self._open_gateway)

    async def find(self, template: str) -> Mapping[str, Any]:
        """Return the template with this name or number, as the JSON object of the REST API.

        Raises:
            NotFound: there is no such template, or several have the name.
        """
        return await self._find_named("workflow_job_templates", "template", template)

    async def _find_named(self, path: str, what: str, name: str) -> Mapping[str, Any]:
        query = urlencode({"id" if name.isdecimal() else "name": name})
        found = (await self._open_gateway().get_json(f"/{path}/?{query}"))["results"]
        if len(found) != 1:
            n = f"several {what}s are" if found else f"no {what} is"
            raise NotFound(f"{n} called {name!r}", hint="give the id of one" if found else "")
        return dict(found[0])

    async def notify(
        self, template: str, receiver: str, *, on: Sequence[str] = ("any",), webhook: str = ""
    ) -> Mapping[str, Any]:
        """Tell a receiver of the jobs of a template from now on. Return the receiver's notification template.

        `template` and `receiver` are each a name or a number: of a template, and of a notification template. `on` names
        the lists of the template into which the receiver comes. With the address of a `webhook`, first create the
        notification template `receiver`, unless the same call has created it in the last two weeks. So you can
        repeat a call that failed halfway.

        Raises:
            NotFound: there is no such template, or no such notification template.
            Rejected: there is no such list, or the name of the new notification template is taken.
        """
        if unknown := sorted(set(on) - set(NOTIFICATION_LISTS)):
            raise Rejected(f"{unknown[0]!r} is none of {', '.join(NOTIFICATION_LISTS)}")
        found = await self.find(template)
        if webhook:
            told = await self._make_webhook(receiver, found["organization"], webhook)
        else:
            told = await self._find_named("notification_templates", "notification template", receiver)
        for name in on:
            path = f"/workflow_job_templates/{found['id']}/notification_templates_{name}/"
            await self._open_gateway().post_json(path, {"id": told["id"]})
        return dict(told)

    async def _make_webhook(self, name: str, organization: Any, url: str) -> Mapping[str, Any]:
        """Return the notification template of this name for this webhook; create it if it is not there."""
        body = {
            "name": name,
            "organization": organization,
            "notification_type": "webhook",
            "notification_configuration": {"url": url},
        }
        # WMS does not show the address, which may be a secret. But it knows a request that it has answered.
        key = f"notify-{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()}"
        return dict(await self._open_gateway().post_json("/notification_templates/", body, key=key))

    async def launch(self, template: str, *, variables: Mapping[str, Any] | None = None) -> "AsyncTreeRun":
        """Launch the template with this name or number, with these variables. Return the launched tree.

        Raises:
            NotFound: there is no such template, or several have the name.
            Rejected: the template does not ask for one of the variables.
            Refused: answers of the template's survey are missing or wrong.
        """
        found = await self.find(template)
        wanted = variables or {}
        allowed = await self._open_gateway().get_json(f"/workflow_job_templates/{found['id']}/launch/")
        if wanted and not allowed["ask_variables_on_launch"]:
            asked = await self._list_asked(found["id"]) if allowed["survey_enabled"] else frozenset()
            if unasked := sorted(wanted.keys() - asked):
                raise Rejected(
                    f"the template {found['name']!r} does not ask for these variables: {', '.join(unasked)}",
                    hint="set its field ask_variables_on_launch, or name them in its survey",
                )
        made = await self._open_gateway().post_json(
            f"/workflow_job_templates/{found['id']}/launch/", {"extra_vars": dict(wanted)}
        )
        return self.get(made["id"])

    async def find_text_variables(self, template: str) -> frozenset[str]:
        """Return the variables for which the survey of a template wants a text. The template has this name or number,
        and any kind. Empty: it has no survey, there is no such template, or several have the name.
        """
        query = urlencode({"id" if template.isdecimal() else "name": template})
        found = (await self._open_gateway().get_json(f"/unified_job_templates/?{query}"))["results"]
        if len(found) != 1 or not found[0].get("survey_enabled"):
            return frozenset()
        survey = await self._open_gateway().get_json(f"/{found[0]['type']}s/{found[0]['id']}/survey_spec/")
        return frozenset(each["variable"] for each in survey.get("spec", ()) if each["type"] in _TEXT_QUESTIONS)

    async def _list_asked(self, template: int) -> frozenset[str]:
        survey = await self._open_gateway().get_json(f"/workflow_job_templates/{template}/survey_spec/")
        return frozenset(question["variable"] for question in survey.get("spec", ()))

    async def draw(self, template: str, *, form: str = "mermaid") -> str:
        """Return the graph of the template with this name or number as text. `form` is `mermaid` or `dot`.

        Raises:
            NotFound: there is no such template, or several have the name.
            Rejected: there is no such form.
        """
        found = await self.find(template)
        return await read_drawing(self._open_gateway(), f"/workflow_job_templates/{found['id']}", form)

    async def list_latest(self, n: int = 50, *, template: str = "", status: str = "") -> list[Mapping[str, Any]]:
        """Return the latest `n` launched trees that you see, the newest first, as JSON objects of the REST API.

        `template`, a name or a number, leaves out trees of other templates; `status`, such as `running`, other trees.

        Raises:
            NotFound: there is no such template, or several have the name.
        """
        wanted = {"workflow_job_template": (await self.find(template))["id"]} if template else {}
        wanted |= {"status": status} if status else {}
        found: list[Mapping[str, Any]] = []
        while len(found) < n:
            before = {"id__lt": found[-1]["id"]} if found else {}
            query = urlencode({"order_by": "-id", "page_size": min(n - len(found), _PAGE), **wanted, **before})
            page = await self._open_gateway().get_json(f"/workflow_jobs/?{query}")
            found += page["results"]
            if page["next"] is None:
                break
        return found

    def get(self, job: int) -> "AsyncTreeRun":
        """Return the tree that was launched as this job. This asks the server nothing."""
        return AsyncTreeRun(self._open_gateway, job)


class AsyncTreeRun:
    """One launched tree. Creating this object asks the server nothing."""

    def __init__(self, open_gateway: Callable[[], Gateway], job: int) -> None:
        self._open_gateway = open_gateway
        self.id = job

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    @property
    def _path(self) -> str:
        return f"/workflow_jobs/{self.id}"

    async def show(self) -> Mapping[str, Any]:
        """Return the tree's job as the JSON object of the REST API. Its key `graph` has the nodes and edges."""
        job = await self._open_gateway().get_json(f"{self._path}/")
        return {**job, "graph": await self._open_gateway().get_json(f"{self._path}/graph/")}

    async def explain(self) -> ObjectExplanation:
        """Return why the tree stands as it does: causes with remedies, the most serious first. They are also those of
        the jobs and processes below it.

        Raises:
            NotThere: the tree does not exist, or you may not see it.
        """
        answer = await self._open_gateway().get_json(f"{self._path}/explain/")
        return ObjectExplanation.model_validate(answer, extra="ignore")

    async def list_notifications(self) -> list[Mapping[str, Any]]:
        """Return the notifications about the tree, each with its status. Leave out notifications about the jobs of its
        nodes.
        """
        return list((await self._open_gateway().get_json(f"{self._path}/notifications/?page_size=200"))["results"])

    async def draw(self, *, form: str = "mermaid") -> str:
        """Return the graph of the tree, with each node's state, as text. `form` is `mermaid` or `dot`.

        Raises:
            Rejected: there is no such form.
        """
        return await read_drawing(self._open_gateway(), self._path, form)

    async def wait(self, *, timeout: Duration | None = None) -> Mapping[str, Any]:
        """Wait until the tree is over, and return it as `show` does.

        Raises:
            TimedOut: `timeout` has passed.
        """
        deadline = None if timeout is None else time.monotonic() + parse_seconds(timeout)
        # A server lets one user follow few streams at once, and a program may wait for many trees.
        pause_s = _FIRST_PAUSE_S
        while (await self._open_gateway().get_json(f"{self._path}/"))["finished"] is None:
            left_s = pause_s if deadline is None else deadline - time.monotonic()
            if left_s <= 0:
                raise TimedOut(f"job {self.id} is not over after {timeout}")
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return await self.show()

    async def follow(self, *, again_s: float | None = None) -> AsyncGenerator[Mapping[str, Any], None]:
        """Yield the tree as `show` returns it: now, and after each change, until it is over.

        With `again_s`, yield it also when nothing has changed for so many seconds. If the server has no stream for it,
        or the stream breaks, this asks again and again.
        """
        news = self._follow_news()
        coming: asyncio.Task[Mapping[str, Any]] | None = None
        job: Mapping[str, Any] | None = None
        try:
            while job is None or job["finished"] is None:
                coming = coming or asyncio.ensure_future(anext(news))
                done, _ = await asyncio.wait([coming], timeout=again_s if job is not None else None)
                if done:
                    job, coming = coming.result(), None
                assert job is not None
                yield job
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait([coming])
            await news.aclose()

    async def _follow_news(self) -> AsyncGenerator[Mapping[str, Any], None]:
        pause_s = _FIRST_PAUSE_S
        job: Mapping[str, Any]
        while True:
            with suppress(Unreachable, ServerAnswer):
                job = {}
                async for event in self._open_gateway().follow(f"{self._path}/events/"):
                    if event.name == "tree" or (event.name == "change" and job):
                        told = json.loads(event.data)
                        job = told if event.name == "tree" else apply_change(job, told)
                        yield job
                        pause_s = _FIRST_PAUSE_S
                        if job["finished"] is not None:
                            return
            job = await self.show()
            yield job
            if job["finished"] is not None:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def approve(self, name: str = "", *, comment: str = "") -> None:
        """Approve the approval of this name that waits in the tree. Without a name, approve the only one that waits.

        Raises:
            NotFound: none waits, or several do and there is no name.
            Forbidden: you may not approve it.
        """
        await self._decide("approve", name, comment)

    async def deny(self, name: str = "", *, comment: str = "") -> None:
        """Deny an approval, which `approve` describes. Its node fails.

        Raises:
            NotFound: none waits, or several do and there is no name.
            Forbidden: you may not deny it.
        """
        await self._decide("deny", name, comment)

    async def _decide(self, verb: str, name: str, comment: str) -> None:
        query = urlencode({"workflow_job": self.id, "status": "pending", **({"name": name} if name else {})})
        waiting = (await self._open_gateway().get_json(f"/workflow_approvals/?{query}"))["results"]
        if len(waiting) != 1:
            called = f" called {name!r}" if name else ""
            names = ", ".join(sorted({str(each["name"]) for each in waiting}))
            told = f"several approvals{called} wait in job {self.id}: {names}" if waiting else ""
            raise NotFound(
                told or f"no approval{called} waits in job {self.id}", hint="name one of them" if waiting else ""
            )
        await self._open_gateway().post_json(f"/workflow_approvals/{waiting[0]['id']}/{verb}/", {"comment": comment})

    async def cancel(self) -> None:
        """Ask the server to cancel the tree with all jobs below it, and return at once. It ends when they are over."""
        await self._open_gateway().post_json(f"{self._path}/cancel/", {})

    async def relaunch(self, *, from_failed: bool = False) -> "AsyncTreeRun":
        """Launch the tree again, and return the new tree. With `from_failed`, nodes that ended well keep their
        results.
        """
        body = {"nodes": "failed" if from_failed else "all"}
        made = await self._open_gateway().post_json(f"{self._path}/relaunch/", body)
        return AsyncTreeRun(self._open_gateway, made["id"])


async def read_drawing(gateway: Gateway, path: str, form: str) -> str:
    """Return a drawn graph.

    Raises:
        Rejected: there is no such form.
    """
    if form not in FORMS:
        raise Rejected(f"{form!r} is none of {', '.join(FORMS)}")
    content, _ = await gateway.get_bytes(f"{path}/graph/{form}/")
    return content.decode()


def apply_change(job: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree as `show` returns it, after a `change` from its stream."""
    graph, news = job["graph"], change.get("graph", {"nodes": ()})
    fresh = {node["id"]: node for node in news["nodes"]}
    nodes = [fresh.get(node["id"], node) for node in graph["nodes"]]
    return {**job, **change, "graph": {**graph, "nodes": nodes}}
