"""Find the runs that have something to tell, and store a notification for each receiver.

    the engine commits a run with `untold`  ──►  this loop looks  ──►  notifications stored  ──►  `untold` emptied

A notification's id is made of its run, its words and its template. If a process dies before `untold` is emptied,
another one stores the same notifications again, which changes nothing. Several WMS may do so at the same time.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runtime.clock import stored_now
from runtime.concurrency.loops import BackgroundLoop
from runtime.failpoints import failpoint
from runtime.telemetry import log
from schemas.automation.notifications import NotificationDocument, NotificationTemplateDocument, NotificationTemplateId
from schemas.engine.graph import DefinitionKind
from schemas.engine.run_documents import RUNS, RunDocument
from schemas.engine.runs import RUN_OVER, RunMoment, RunStatus
from schemas.errors import EWMSError, Unavailable
from schemas.ids import RunId
from wms.encryption import SecretKeys
from wms.engine import repository
from wms.engine.engine import Engine
from wms.engine.life.open_run import OpenRun, RunDecision
from wms.notifications.messages.bodies import Story, make_context, make_payload, write_body, write_subject
from wms.notifications.messages.message_rendering import Rendered, render_message
from wms.notifications.notification_settings import NotificationSettings
from wms.notifications.notification_store import NotificationStore
from wms.notifications.occasions import Occasion, find_occasions, list_targets, may_tell
from wms.notifications.sending.attempts import MAX_ATTEMPTS
from wms.notifications.templates.configurations import describe_recipients, map_secrets
from wms.trees.jobs.job_statuses import is_approval

_SWEEP_S = 10.0
#: Changes in this time are looked at together.
_REST_S = 0.2
_BATCH = 200
#: For how many occasions messages are rendered at once. A message that takes its whole time delays these alone.
_AT_ONCE = 4
#: Runs that have begun. They may have `STARTED` to tell.
_BEGUN = sorted(frozenset(RunStatus) - {RunStatus.CREATED})
#: Selects the runs that have something to tell now.
UNTOLD: dict[str, Any] = {
    "$or": [
        {"untold": RunMoment.ENDED.value, "status": {"$in": sorted(RUN_OVER)}},
        {"untold": RunMoment.STARTED.value, "status": {"$in": _BEGUN}},
    ]
}


class NotificationWatch:
    """The loop that makes notifications when jobs reach a moment that lists want to hear of."""

    def __init__(
        self,
        engine: Engine,
        notifications: NotificationStore,
        settings: NotificationSettings,
        *,
        sweep_s: float = _SWEEP_S,
    ) -> None:
        self._store = notifications.store
        self._notifications = notifications
        self._keys = settings.keys
        self._public_url = settings.public_url.rstrip("/")
        engine.on_launch.append(self._on_launch)
        engine.on_change.append(self._on_change)
        #: Called when there are new notifications.
        self.on_new: list[Callable[[], None]] = []
        self._loop = BackgroundLoop(
            self._look, name="notifications", failed="notifications wait", every_s=sweep_s, rest_s=_REST_S
        )

    def start(self) -> None:
        """Start the loop. It begins with the jobs that ended while no WMS ran."""
        self._loop.start()

    async def stop(self) -> None:
        """Stop the loop."""
        await self._loop.stop()

    def _on_launch(self, run: OpenRun) -> None:
        if run.facts.kind is DefinitionKind.TEMPLATE:
            self._loop.wake()

    def _on_change(self, run: OpenRun, decision: RunDecision) -> None:
        if run.facts.kind is DefinitionKind.TEMPLATE and (decision.ends_run or "started_at" in decision.fields):
            self._loop.wake()

    async def _look(self) -> float | None:
        """Make the notifications for a batch of runs. Return 0 seconds as the pause if there may be more, else None."""
        found = await self._store.find(RUNS, UNTOLD, limit=_BATCH)
        runs = [repository.parse_run(each) for each in found]
        if not runs:
            return None
        parents = await self._load_runs(run.parent.run for run in runs if run.parent is not None and is_approval(run))
        targets = {
            run.id: list_targets(run, None if run.parent is None else parents.get(run.parent.run)) for run in runs
        }
        occasions = {run.id: find_occasions(run) for run in runs}
        linked = await self._notifications.find_linked(
            sorted({target for each in targets.values() for target in each}),
            {occasion.list for each, _ in occasions.values() for occasion in each},
        )
        slots = asyncio.Semaphore(_AT_ONCE)

        async def tell_run(run: RunDocument) -> None:
            for occasion in occasions[run.id][0]:
                ids = {each for target in targets[run.id] for each in linked.get((target, occasion.list), ())}
                if ids:
                    async with slots:
                        await self._tell_safely(run, occasion, sorted(ids))

        await asyncio.gather(*map(tell_run, runs))
        failpoint("notifications.stored")
        settled = ((run, occasions[run.id][1]) for run in runs)
        await self._notifications.forget_untold(
            (
                {"_id": run.id, "untold": [each.value for each in run.untold]},
                [each.value for each in run.untold if each not in moments],
            )
            for run, moments in settled
        )
        return 0.0 if len(found) == _BATCH else None

    async def _load_runs(self, ids: Iterable[RunId | None]) -> dict[RunId, RunDocument]:
        wanted = sorted({each for each in ids if each is not None})
        found = await self._store.find(RUNS, {"_id": {"$in": wanted}}) if wanted else []
        return {run.id: run for run in map(repository.parse_run, found)}

    async def _tell_safely(self, run: RunDocument, occasion: Occasion, ids: Sequence[NotificationTemplateId]) -> None:
        """Make the notifications of one occasion. Log an error other than `Unavailable`, so that it does not stop other
        runs.

        Raises:
            Unavailable: the database is away. The loop tries again later.
        """
        try:
            await self._tell(run, occasion, ids)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one run must not stop the notifications of all others
            log.error("a run is not told of", run=run.id, occasion=occasion.words, exc_info=error)

    async def _tell(self, run: RunDocument, occasion: Occasion, ids: Sequence[NotificationTemplateId]) -> None:
        linked = await self._notifications.list_templates({"_id": {"$in": list(ids)}})
        templates = [each for each in linked if may_tell(run, each.organization)]
        if not templates:
            return
        jobs = await self._load_runs(state.child_run for state in run.nodes if state.child_run is not None)
        by_place = {
            place: jobs[state.child_run]
            for place, state in enumerate(run.nodes)
            if state.child_run is not None and state.child_run in jobs
        }
        parent = None if run.parent is None else (await self._load_runs([run.parent.run])).get(run.parent.run)
        story = Story(run, {} if run.graph.is_leaf else by_place, parent, self._public_url)
        # A body with many nodes is long, and each template may have words of its own.
        written = await asyncio.gather(*(self._write(story, occasion, template) for template in templates))
        numbers = await self._notifications.take_numbers(len(written))
        made = [each.model_copy(update={"number": number}) for each, number in zip(written, numbers, strict=True)]
        await self._notifications.add_notifications(made)
        for listener in self.on_new:
            listener()

    async def _write(
        self, story: Story, occasion: Occasion, template: NotificationTemplateDocument
    ) -> NotificationDocument:
        rendered = Rendered()
        if (custom := template.messages.get(occasion.words)) is not None:
            context = make_context(story, occasion.words)
            rendered = await render_message(custom, context, template.notification_type)
            if rendered.fault:
                log.info("a custom message gives way", template=template.id, run=story.run.id, reason=rendered.fault)
        return write_notification(
            template,
            notification_id=f"{story.run.id}-{occasion.words}-{template.id}",
            subject=rendered.message.strip() or write_subject(story, occasion.words),
            text=write_body(story),
            facts=make_payload(story, write_body(story)),
            rendered=rendered,
            recipients=find_recipients(template, self._keys),
            run=story.run.id,
        )


def find_recipients(template: NotificationTemplateDocument, keys: SecretKeys) -> str:
    """Return for people where a notification template sends to. For an address of apprise, return only the service's
    name.
    """
    kind = template.notification_type
    if kind.value != "apprise":
        return describe_recipients(kind, template.configuration)
    try:
        return describe_recipients(kind, map_secrets(kind, template.configuration, keys.decrypt))
    except EWMSError:
        # No key fits any more. The attempt to send will say so.
        return kind.value


def write_notification(
    template: NotificationTemplateDocument,
    *,
    notification_id: str,
    subject: str,
    text: str,
    facts: Mapping[str, Any],
    rendered: Rendered,
    recipients: str,
    run: RunId | None,
    max_attempts: int = MAX_ATTEMPTS,
) -> NotificationDocument:
    """Return a new notification without its number. `text` and `facts` are our own words."""
    now = stored_now()
    fault = f"the custom message was not used: {rendered.fault}" if rendered.fault else ""
    own = "\n\n".join(part for part in (subject, text, fault) if part)
    payload: Mapping[str, Any] = {**facts, "message": subject, "notification": notification_id}
    if fault:
        payload = {**payload, "message_fault": fault}
    return NotificationDocument(
        id=notification_id,
        number=0,
        template=template.id,
        organization=template.organization,
        notification_type=template.notification_type,
        run=run,
        subject=" ".join(subject.split())[:1000],
        body=rendered.body or own,
        payload=payload,
        is_custom=bool(rendered.body),
        message_fault=fault,
        recipients=recipients,
        max_attempts=max_attempts,
        wake_at=now,
        created=now,
    )
