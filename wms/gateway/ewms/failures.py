"""The routes of failures: failed attempts, errors by group, and dead letters to read, replay, discard and export.

MQS keeps the attempts and reads the queues of dead letters. The gateway checks that the caller may see the workflow,
then asks MQS.
"""

from collections.abc import Callable
from typing import TypeVar

from starlette.responses import Response

from runtime.bus.questions import Asks
from runtime.web.route import Call, Route, answer_json
from schemas.api.failures import (
    Attempts,
    DeadLetterGroups,
    DeadLetterOrders,
    DeadLetters,
    DeadLetterSeen,
    Errors,
    LettersHandled,
    LettersRequest,
)
from schemas.attempts.dead_letters import (
    MAX_LETTERS_PER_PAGE,
    AnyLetterQuery,
    LetterAction,
    LetterAnswer,
    LetterAuditAnswer,
    LetterAuditQuery,
    LetterBodyAnswer,
    LetterBodyQuery,
    LetterFilter,
    LetterGroupsAnswer,
    LetterGroupsQuery,
    LetterQuery,
    LettersAnswer,
    LettersDone,
    LettersOrder,
    LettersQuery,
)
from schemas.attempts.failed_history import (
    MAX_ATTEMPTS_PER_PAGE,
    AttemptsAnswer,
    AttemptsQuery,
    ErrorGroupsAnswer,
    ErrorGroupsQuery,
)
from schemas.errors import Broken, Conflict, Rejected
from schemas.fleet.documents import WorkflowDocument
from schemas.fleet.endings import outcome_words
from schemas.ids import WorkflowId
from schemas.questions.bases import Answer
from wms.audit.audit_log import AuditLog
from wms.fleet.life.workflow_acts import describe_letters_order
from wms.fleet.reading.object_reader import ObjectReader
from wms.fleet.stalls.verdict_renewal import VerdictRenewal
from wms.gateway.roles import ACTORS, READERS, find_access

#: Reading thousands of dead letters takes the broker some seconds.
_READ_S = 30.0

_MAX_DIGITS = 6

Expected = TypeVar("Expected", bound=Answer)


class FailureRoutes:
    """Handlers of /workflows/{workflow_id}/failed-attempts, /errors and /dead-letters."""

    def __init__(self, reader: ObjectReader, mqs: Asks, verdicts: VerdictRenewal, audit: AuditLog) -> None:
        self._reader = reader
        self._mqs = mqs
        self._verdicts = verdicts
        self._audit = audit

    def routes(self) -> list[Route]:
        """Return the routes."""
        of_one = "/workflows/{workflow_id}"
        letters = f"{of_one}/dead-letters"
        which = {"task_id": False, "signature": False, "event_id": False}

        def get(
            path: str, handler: Callable[..., object], summary: str, roles: frozenset[str] = READERS, **more: object
        ) -> Route:
            return Route("GET", path, handler, summary, roles=roles, is_heavy=True, errors=(404,), **more)  # type: ignore[arg-type] # a route's own fields

        return [
            get(
                f"{of_one}/failed-attempts",
                self.list_attempts,
                "List failed attempts at a workflow's events, the newest first",
                answer=Attempts,
                query={**which, "before": False, "limit": False},
            ),
            get(f"{of_one}/errors", self.list_errors, "List a workflow's errors by task and signature", answer=Errors),
            get(
                letters,
                self.list_letters,
                "List dead letters, the oldest first",
                answer=DeadLetters,
                query={**which, "after": False, "limit": False},
            ),
            get(
                f"{letters}/groups",
                self.list_groups,
                "List dead letters by task and signature",
                answer=DeadLetterGroups,
            ),
            get(
                f"{letters}/whole",
                self.list_whole_letters,
                "List dead letters with headers and bodies, for an export",
                roles=ACTORS,
                answer=DeadLetters,
                query={**which, "after": False, "limit": False},
            ),
            get(
                f"{letters}/orders",
                self.list_orders,
                "List who has replayed and discarded dead letters, the newest first",
                answer=DeadLetterOrders,
            ),
            get(
                f"{letters}/{{letter}}",
                self.get_letter,
                "Get a dead letter with its headers and every attempt at its event",
                answer=DeadLetterSeen,
            ),
            get(
                f"{letters}/{{letter}}/body",
                self.get_body,
                "Get the bytes of a dead letter",
                roles=ACTORS,
                media_type="application/octet-stream",
            ),
            *(
                Route(
                    "POST",
                    f"{letters}/actions/{action}",
                    handler,
                    summary,
                    roles=ACTORS,
                    body=LettersRequest,
                    answer=LettersHandled,
                    is_heavy=True,
                    errors=(404, 409),
                )
                for action, handler, summary in (
                    ("replay", self.replay_letters, "Send dead letters back to their queues, 200 at most"),
                    ("discard", self.discard_letters, "Throw dead letters away, 200 at most"),
                )
            ),
        ]

    async def list_attempts(self, call: Call) -> Response:
        query = AttemptsQuery(
            workflow_id=await self._find_workflow(call),
            **_read_filter(call).model_dump(),
            before=call.request.query_params.get("before"),
            limit=_read_limit(call, MAX_ATTEMPTS_PER_PAGE),
        )
        found = _check_answer(await self._mqs.ask(query, timeout_s=10.0), AttemptsAnswer)
        return answer_json(Attempts(attempts=found.attempts, next_before=found.next_before))

    async def list_errors(self, call: Call) -> Response:
        query = ErrorGroupsQuery(workflow_id=await self._find_workflow(call))
        found = _check_answer(await self._mqs.ask(query, timeout_s=10.0), ErrorGroupsAnswer)
        return answer_json(Errors(errors=found.groups))

    async def list_letters(self, call: Call) -> Response:
        return await self._list_letters(call, with_bodies=False)

    async def list_whole_letters(self, call: Call) -> Response:
        return await self._list_letters(call, with_bodies=True)

    async def _list_letters(self, call: Call, *, with_bodies: bool) -> Response:
        query = LettersQuery(
            workflow_id=await self._find_workflow(call),
            **_read_filter(call).model_dump(),
            after=call.request.query_params.get("after"),
            limit=_read_limit(call, MAX_LETTERS_PER_PAGE),
            with_bodies=with_bodies,
        )
        found = await self._ask_mqs(query, LettersAnswer)
        return answer_json(
            DeadLetters(dead_letters=found.letters, next_after=found.next_after, n_letters=found.n_letters)
        )

    async def list_groups(self, call: Call) -> Response:
        found = await self._ask_mqs(LetterGroupsQuery(workflow_id=await self._find_workflow(call)), LetterGroupsAnswer)
        return answer_json(DeadLetterGroups(groups=found.groups, n_letters=found.n_letters))

    async def get_letter(self, call: Call) -> Response:
        query = LetterQuery(workflow_id=await self._find_workflow(call), letter=call.read_path("letter"))
        found = await self._ask_mqs(query, LetterAnswer)
        return answer_json(DeadLetterSeen(dead_letter=found.letter, attempts=found.history))

    async def get_body(self, call: Call) -> Response:
        query = LetterBodyQuery(workflow_id=await self._find_workflow(call), letter=call.read_path("letter"))
        body = bytearray()
        while True:
            found = await self._ask_mqs(query.model_copy(update={"offset": len(body)}), LetterBodyAnswer)
            body += found.data
            if len(body) >= found.n_bytes or not found.data:
                break
        return Response(
            bytes(body),
            media_type="application/octet-stream",
            headers={
                # The bytes come from user code: no browser may show them as a page.
                "X-Content-Type-Options": "nosniff",
                "Content-Disposition": f'attachment; filename="{query.letter}"',
            },
        )

    async def list_orders(self, call: Call) -> Response:
        found = await self._ask_mqs(LetterAuditQuery(workflow_id=await self._find_workflow(call)), LetterAuditAnswer)
        return answer_json(DeadLetterOrders(orders=found.orders))

    async def replay_letters(self, call: Call) -> Response:
        return await self._order_action(call, LetterAction.REPLAY)

    async def discard_letters(self, call: Call) -> Response:
        return await self._order_action(call, LetterAction.DISCARD)

    async def _order_action(self, call: Call, action: LetterAction) -> Response:
        request: LettersRequest = call.body
        which = LetterFilter(task_id=request.task_id, signature=request.signature, event_id=request.event_id)
        is_filter = which != LetterFilter()
        if (request.letters is not None) + is_filter + request.all != 1:
            raise Rejected(
                "name the dead letters in exactly one way: "
                "'letters', or 'all': true, or any of 'task_id', 'signature', 'event_id'"
            )
        workflow = await self._get_workflow(call, is_to_run=action is LetterAction.REPLAY)
        order = LettersOrder(
            workflow_id=workflow.workflow_id,
            action=action,
            letters=request.letters,
            which=which,
            subject=call.caller.subject,
        )
        # MQS carries the order out, and its own list says what came of it. So the row comes first, or a crash could
        # leave an order without one.
        await self._audit.note_change(order.subject, describe_letters_order(workflow, order))
        try:
            done = await self._ask_mqs(order, LettersDone)
        finally:
            # Also after an error: MQS may have handled some letters before it.
            await self._verdicts.renew_verdict(order.workflow_id)
        return answer_json(LettersHandled.model_validate(done.model_dump()))

    async def _ask_mqs(self, query: AnyLetterQuery, kind: type[Expected]) -> Expected:
        return _check_answer(await self._mqs.ask(query, timeout_s=_READ_S), kind)

    async def _find_workflow(self, call: Call) -> WorkflowId:
        """Return the id of the workflow in the path. Raises `NotFound` as `_get_workflow`."""
        return (await self._get_workflow(call)).workflow_id

    async def _get_workflow(self, call: Call, *, is_to_run: bool = False) -> WorkflowDocument:
        """Return the workflow in the path.

        Raises:
            NotFound: the workflow does not exist, or the caller may not see it.
            Conflict: `is_to_run` is set, and the workflow has ended.
        """
        workflow = await self._reader.get_workflow(call.read_path("workflow_id"), find_access(call.caller))
        if is_to_run and workflow.deactivated is not None:
            outcome = outcome_words(workflow.deactivated, workflow.completion)
            raise Conflict(
                f"the workflow is {outcome}: no task of it would take the events",
                hint="export its dead letters, and publish them to a new workflow",
            )
        return workflow


def _check_answer(answer: Answer, kind: type[Expected]) -> Expected:
    if not isinstance(answer, kind):
        raise Broken(f"MQS answered {answer.kind}")
    return answer


def _read_filter(call: Call) -> LetterFilter:
    parameters = call.request.query_params
    return LetterFilter(**{name: parameters.get(name) for name in LetterFilter.model_fields})


def _read_limit(call: Call, most: int) -> int:
    text = call.request.query_params.get("limit")
    if text is None:
        return most
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS and 1 <= int(text) <= most):
        raise Rejected(f"limit must be a number from 1 to {most}")
    return int(text)
