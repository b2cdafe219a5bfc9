"""The routes of events in public queues: publish them as JSON lines, look at them, download them as JSON lines."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace

from starlette.responses import Response

from runtime.kernel.decision import Decision
from runtime.kernel.store import Store, Transaction
from runtime.web.route import Call, Route, answer_json, answer_raw
from schemas.api.queues.events import (
    MAX_DOWNLOAD_BYTES,
    MAX_EVENTS_DOWNLOADED,
    MAX_EVENTS_SHOWN,
    MAX_PUBLISH_BYTES,
    MAX_SHOWN_BYTES,
    EventsPublished,
    EventsShown,
    PublishRequest,
)
from schemas.api.queues.profiles import Use
from schemas.broker.queue_format import Wire
from schemas.broker.token_claims import read_wire
from schemas.errors import NotFound
from schemas.fleet.documents import QueuePlan, WorkflowDocument
from schemas.ids import EventId, Mqid
from schemas.payloads.data_events import DataEvent
from schemas.payloads.json_text import dump_json
from schemas.payloads.payload_codec import PreparedEvent
from schemas.payloads.shown_events import write_event
from wms.engine.nested.workflow_queues import WorkflowQueues
from wms.fleet.reading.object_reader import ObjectReader
from wms.gateway.ewms.queues.access_checks import QueueWish, check_use
from wms.gateway.ewms.queues.event_desk import QueueDesk
from wms.gateway.ewms.queues.line_checks import LineRules, prepare_events, split_lines
from wms.gateway.roles import USERS, find_access

JSON_LINES = "application/jsonl"

_DEFAULT_SHOWN = 10


class QueueEventRoutes:
    """Handlers of /workflows/{workflow_id}/queues/{mqid}/events."""

    def __init__(self, reader: ObjectReader, queues: WorkflowQueues, store: Store) -> None:
        self._reader = reader
        self._desk = QueueDesk(queues)
        self._store = store

    def routes(self) -> list[Route]:
        """Return the routes."""
        events = "/workflows/{workflow_id}/queues/{mqid}/events"
        return [
            Route(
                "POST",
                events,
                self.publish_events,
                "Publish JSON lines onto a public queue",
                roles=USERS,
                body=PublishRequest,
                max_body_bytes=MAX_PUBLISH_BYTES,
                answer=EventsPublished,
                is_heavy=True,
                errors=(404, 409, 413, 422),
            ),
            Route(
                "GET",
                events,
                self.show_events,
                "Look at events that wait in a public queue, and leave them there",
                roles=USERS,
                answer=EventsShown,
                is_heavy=True,
                errors=(404, 422),
                query={"limit": False},
                parameters={"limit": _describe_limit(MAX_EVENTS_SHOWN, _DEFAULT_SHOWN)},
            ),
            Route(
                "GET",
                f"{events}/lines",
                self.download_events,
                "Download events that wait in a public queue as JSON lines, and leave them there",
                roles=USERS,
                media_type=JSON_LINES,
                is_heavy=True,
                errors=(404, 422),
                query={"limit": False, "whole": False},
                parameters={
                    "limit": _describe_limit(MAX_EVENTS_DOWNLOADED, MAX_EVENTS_DOWNLOADED),
                    "whole": {
                        "type": "integer",
                        "enum": [0, 1],
                        "default": 0,
                        "description": "1: each line has the event's id, content type, attempt and headers, too.",
                    },
                },
            ),
        ]

    async def publish_events(self, call: Call) -> Response:
        request: PublishRequest = call.body
        once = call.once
        lines = split_lines(request.lines)
        workflow, plan = await self._find_queue(call)
        drawn = [EventId(str(uuid.uuid4())) for _ in lines]
        rules = LineRules(plan.mqid, Wire.EWMS, request.key, "" if once is None else once.inbox_id)
        if once is not None and await self._store.find_repeated(once.inbox_id, once.digest) is not None:
            # The first request has published them. The ids follow from the key, so this answer has the same ids.
            events = await asyncio.to_thread(prepare_events, lines, drawn, rules)
            return answer_json(_describe_published(workflow, plan, events))
        wished = QueueWish(plan.alias, Use.PUBLISH)
        check_use(workflow, wished)
        profile = await self._desk.open_queue(workflow, wished, call.caller.subject)
        # Thousands of lines take a while, and no other request should wait for them.
        rules = replace(rules, wire=read_wire(profile.auth_token or ""))
        events = await asyncio.to_thread(prepare_events, lines, drawn, rules)
        await self._desk.publish_events(profile, events)
        if once is not None:
            await self._store.transact(_note_published, once=once)
        return answer_json(_describe_published(workflow, plan, events))

    async def show_events(self, call: Call) -> Response:
        limit = call.read_number("limit", _DEFAULT_SHOWN, minimum=1, maximum=MAX_EVENTS_SHOWN)
        workflow, plan, events, is_cut = await self._look_at_events(call, limit, MAX_SHOWN_BYTES)
        return answer_raw(await asyncio.to_thread(write_shown, workflow.workflow_id, plan, events, is_cut=is_cut))

    async def download_events(self, call: Call) -> Response:
        limit = call.read_number("limit", MAX_EVENTS_DOWNLOADED, minimum=1, maximum=MAX_EVENTS_DOWNLOADED)
        is_whole = call.read_number("whole", 0, maximum=1) == 1
        _, plan, events, is_cut = await self._look_at_events(call, limit, MAX_DOWNLOAD_BYTES)
        headers = {
            # The bytes come from user code: no browser may show them as a page.
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": f'attachment; filename="{plan.mqid}.jsonl"',
        }
        if is_cut or len(events) == limit:
            headers["X-EWMS-Hint"] = (
                f"the first {len(events)} events; the queue may hold more: ewms queue consume takes all of them"
            )
        text = await asyncio.to_thread(_write_lines, events, whole=is_whole)
        return Response(text, media_type=JSON_LINES, headers=headers)

    async def _look_at_events(
        self, call: Call, limit: int, max_bytes: int
    ) -> tuple[WorkflowDocument, QueuePlan, list[DataEvent], bool]:
        workflow, plan = await self._find_queue(call)
        wished = QueueWish(plan.alias, Use.CONSUME)
        check_use(workflow, wished)
        profile = await self._desk.open_queue(workflow, wished, call.caller.subject)
        events, is_cut = await self._desk.look_at_events(profile, limit, max_bytes)
        return workflow, plan, events, is_cut

    async def _find_queue(self, call: Call) -> tuple[WorkflowDocument, QueuePlan]:
        """Return the workflow and the queue that the path names.

        Raises:
            NotFound: there is none, or the caller may not see the workflow.
        """
        workflow = await self._reader.get_workflow(call.read_path("workflow_id"), find_access(call.caller))
        mqid = Mqid(call.read_path("mqid"))
        plan = next((plan for plan in workflow.queues if plan.mqid == mqid), None)
        if plan is None:
            raise NotFound(
                f"no queue found with id: {mqid}", hint=f"GET /v1/workflows/{workflow.workflow_id}/queues lists them"
            )
        return workflow, plan


async def _note_published(_: Transaction) -> Decision:
    return Decision()


def write_shown(workflow_id: str, plan: QueuePlan, events: Sequence[DataEvent], *, is_cut: bool) -> bytes:
    """Return the JSON of an `EventsShown` with `events`."""
    about = {"workflow_id": workflow_id, "mqid": plan.mqid, "alias": plan.alias, "is_cut": is_cut}
    shown = b",".join(write_event(event, whole=True) for event in events)
    return b'%b,"events":[%b]}' % (dump_json(about)[:-1], shown)


def _write_lines(events: Sequence[DataEvent], *, whole: bool) -> bytes:
    return b"".join(write_event(event, whole=whole) + b"\n" for event in events)


def _describe_published(
    workflow: WorkflowDocument, plan: QueuePlan, events: Sequence[PreparedEvent]
) -> EventsPublished:
    return EventsPublished(
        workflow_id=workflow.workflow_id,
        mqid=plan.mqid,
        alias=plan.alias,
        n_published=len(events),
        event_ids=[event.id for event in events],
    )


def _describe_limit(most: int, default: int) -> dict[str, object]:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}
