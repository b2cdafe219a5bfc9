"""Answer questions about dead letters, and carry out orders: replay to the queue of origin, or discard.

MQS publishes a replay, waits for the confirm, and only then takes the letter off the dead queue. A crash in between
leaves the letter, and the next replay has the same event id. Nothing is replayed into a workflow that is over, and no
workflow ends while a replay may be under way: `mqs.end_watch` finds out about replays that the broker did not confirm.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from mqs.groups import repository
from mqs.groups.progress import count_letters
from mqs.groups.repository import StoredGroup
from mqs.letters.dead_queue import DeadReader, DeadReaders
from mqs.letters.history import find_failed_attempts
from mqs.letters.letter import Letter, describe_choice, group_letters, replay_headers, select_letters, show_letter
from runtime.amqp import Connection, ConnectionLost, QueueFull, Unroutable
from runtime.clock import utc_now
from runtime.failpoints import failpoint
from runtime.kernel.store import Decision, Store, Transaction, Update
from runtime.telemetry import counter, log
from schemas.documents import Collection, GroupState, LetterOrderDocument, MQGroupDocument
from schemas.errors import Conflict, EWMSError, NotFound, Unavailable
from schemas.failures.dead_letters import (
    MAX_LETTER_GROUPS,
    MAX_LETTERS_AT_ONCE,
    MAX_PAGE_BYTES,
    MAX_STRETCH_BYTES,
    AnyLetterAnswer,
    AnyLetterQuery,
    DeadLetter,
    LetterAction,
    LetterAnswer,
    LetterAudit,
    LetterAuditAnswer,
    LetterAuditQuery,
    LetterBodyAnswer,
    LetterBodyQuery,
    LetterGroupsAnswer,
    LetterGroupsQuery,
    LetterQuery,
    LettersAnswer,
    LettersDone,
    LettersOrder,
    LettersQuery,
)
from schemas.failures.history import AttemptsQuery
from schemas.ids import WorkflowId

#: Letters on their way at once.
_N_AT_ONCE = 20

#: How long a group stays marked as replaying: longer than one order takes.
_REPLAYING = timedelta(seconds=60)

#: A queue that nobody declares, and how long the broker may take to give back an event for it.
_NO_QUEUE = "ewms.nobody"
_CONFIRM_WITHIN_S = 5.0

#: How long one order may take; its caller waits.
_LONGEST_S = 15.0

_MAX_AUDIT = 200

_handled = counter("mqs_dead_letters_handled_total", "Dead letters replayed or discarded.", ["action"])

_NO_WORKFLOW = "no queues of such a workflow"


class DeadLetterDesk:
    """MQS's access to the dead letters of workflows."""

    def __init__(self, store: Store, connection: Connection, readers: DeadReaders, *, per_s: float) -> None:
        """`per_s` is how many letters a second are replayed at most, all workflows together."""
        self._store = store
        self._connection = connection
        self._readers = readers
        self._per_s = per_s
        self._free_at_s = 0.0

    async def answer_query(self, query: AnyLetterQuery) -> AnyLetterAnswer:
        """Return the answer to a question, or carry out an order.

        Raises:
            NotFound: there is no such workflow, or no such letter.
            Conflict: the workflow is over, so nothing can be replayed into it.
            Unavailable: the broker is away.
        """
        match query:
            case LettersOrder():
                return await self._carry_out(query)
            case LetterAuditQuery():
                return await self._list_orders(query.workflow_id)
            case _:
                pass
        if not await self._has_dead_queue(query.workflow_id):
            return _empty_answer(query)
        async with self._readers.lend_reader(query.workflow_id) as reader:
            match query:
                case LettersQuery():
                    return await self._build_page(reader, query)
                case LetterGroupsQuery():
                    n_letters = reader.n_held + await reader.count_behind()
                    return LetterGroupsAnswer(
                        groups=group_letters(reader.letters)[:MAX_LETTER_GROUPS], n_letters=n_letters
                    )
                case LetterBodyQuery():
                    letter = reader.find_letter(query.letter)
                    body = await reader.fetch_body(query.letter)
                    data = body[query.offset : query.offset + MAX_STRETCH_BYTES]
                    return LetterBodyAnswer(
                        data=data, offset=query.offset, n_bytes=len(body), content_type=letter.content_type
                    )
                case LetterQuery():
                    letter = reader.find_letter(query.letter)
        history = await find_failed_attempts(
            self._store, AttemptsQuery(workflow_id=query.workflow_id, event_id=letter.event_id, limit=50)
        )
        return LetterAnswer(letter=show_letter(letter, whole=True), history=history.attempts if letter.event_id else [])

    async def confirm_replays(self) -> None:
        """Return once the broker has read every replay that was sent from here.

        The broker reads a connection in order. So it gives back an event without a queue only after it has read the
        replays before it.

        Raises:
            Unavailable: the broker is away, or takes nothing for now.
        """
        with suppress(Unroutable):
            await self._connection.publish(
                "", _NO_QUEUE, b"", message_id=str(uuid.uuid4()), timeout_s=_CONFIRM_WITHIN_S
            )

    async def _build_page(self, reader: DeadReader, query: LettersQuery) -> LettersAnswer:
        wanted = select_letters(reader.letters, query, after=query.after)
        page: list[DeadLetter] = []
        n_bytes = 0
        for letter in wanted[: query.limit]:
            body = None
            if query.with_bodies and letter.n_bytes <= MAX_PAGE_BYTES // 2:
                if page and n_bytes + letter.n_bytes > MAX_PAGE_BYTES:
                    break
                body = await reader.fetch_body(letter.letter)
            one = show_letter(letter, body=body, whole=query.with_bodies)
            n_bytes += len(one.model_dump_json())
            if page and n_bytes > 2 * MAX_PAGE_BYTES:
                break
            page.append(one)
        has_more = len(page) < len(wanted)
        return LettersAnswer(
            letters=page,
            next_after=wanted[len(page) - 1].cursor if has_more and page else None,
            n_letters=reader.n_held + await reader.count_behind(),
        )

    async def _carry_out(self, order: LettersOrder) -> LettersDone:
        if order.action is LetterAction.DISCARD:
            if not await self._has_dead_queue(order.workflow_id):
                return LettersDone(n_done=0, n_missing=len(order.letters or ()), n_left=0)
            async with self._readers.lend_reader(order.workflow_id) as reader:
                done = await self._handle_letters(reader, order, lambda letter: reader.drop_letter(letter.letter))
        else:
            await self._check_is_open(order.workflow_id)
            async with self._readers.lend_reader(order.workflow_id) as reader:
                queues = await self._begin_replay(order.workflow_id)
                failpoint("mqs.replaying")
                is_settled = False
                try:
                    done = await self._handle_letters(
                        reader, order, lambda letter: self._replay_letter(reader, letter, queues)
                    )
                    is_settled = not done.stopped
                finally:
                    await self._end_replay(order.workflow_id, is_settled=is_settled)
        _handled.labels(order.action.value).inc(done.n_done)
        await self._note_order(order, done.n_done)
        return done

    async def _handle_letters(
        self, reader: DeadReader, order: LettersOrder, handle: Callable[[Letter], Awaitable[None]]
    ) -> LettersDone:
        """Handle the chosen letters, some at a time. Go on past those that cannot be handled.

        Stop when enough are done, when time is up, or when the broker takes no more.
        """
        if order.letters is not None:
            names = list(dict.fromkeys(order.letters))
            meant = [reader.find_letter(name) for name in names if reader.has_letter(name)]
            n_missing = len(names) - len(meant)
        else:
            meant, n_missing = select_letters(reader.letters, order.which), 0
        loop = asyncio.get_running_loop()
        until_s = loop.time() + _LONGEST_S
        n_done = n_refused = at = 0
        refused = stopped = ""
        while at < len(meant) and n_done < MAX_LETTERS_AT_ONCE and not stopped and loop.time() < until_s:
            batch = meant[at : at + min(_N_AT_ONCE, MAX_LETTERS_AT_ONCE - n_done)]
            at += len(batch)
            if order.action is LetterAction.REPLAY:
                await self._wait_for_rate(len(batch))
            await self._count_letters(order, Counter(letter.queue for letter in batch))
            undone: Counter[str] = Counter()
            for letter, result in zip(
                batch, await asyncio.gather(*map(handle, batch), return_exceptions=True), strict=True
            ):
                if result is None:
                    n_done += 1
                    continue
                if not (order.action is LetterAction.REPLAY and isinstance(result, ConnectionLost)):
                    # After a lost connection nobody knows whether the broker has the event, so it stays counted.
                    undone[letter.queue] -= 1
                if isinstance(result, Unavailable):
                    stopped = _stop_reason(result)
                else:
                    n_refused += 1
                    refused = refused or _describe_refusal(letter, result)
            await self._count_letters(order, undone)
        return LettersDone(
            n_done=n_done,
            n_missing=n_missing,
            n_left=len(meant) - n_done - n_refused,
            n_refused=n_refused,
            refused=refused,
            stopped=stopped,
        )

    async def _count_letters(self, order: LettersOrder, n_of: Counter[str]) -> None:
        """Add `n_of` letters, by queue of origin, to those replayed or discarded."""
        if not n_of:
            return

        async def step(tx: Transaction) -> Decision:
            found = await repository.find_group(tx, order.workflow_id)
            if found.group is None:
                return Decision()
            return Decision(repository.group_changes(found, count_letters(found.group, order.action, n_of)))

        await self._store.transact(step)

    async def _wait_for_rate(self, n: int) -> None:
        """Return when `n` more letters may be replayed: all workflows share the rate."""
        now_s = asyncio.get_running_loop().time()
        start_s = max(now_s, self._free_at_s)
        self._free_at_s = start_s + n / self._per_s
        await asyncio.sleep(start_s - now_s)

    async def _replay_letter(self, reader: DeadReader, letter: Letter, queues: frozenset[str]) -> None:
        if letter.queue not in queues:
            raise Conflict(f"the queue of origin of letter {letter.letter} is not there any more")
        body = await reader.fetch_body(letter.letter)
        # MQS publishes over the default exchange, by a right of its own: a public input may be shut for everybody else.
        await self._connection.publish(
            "",
            letter.queue,
            body,
            message_id=letter.event_id or str(uuid.uuid4()),
            content_type=letter.content_type,
            headers=replay_headers(letter.headers),
        )
        failpoint("mqs.replayed")
        await reader.drop_letter(letter.letter)

    async def _begin_replay(self, workflow_id: WorkflowId) -> frozenset[str]:
        """Mark the workflow as replaying, so that its run does not end meanwhile. Return its input queues.

        Raises:
            NotFound, Conflict: there is no such workflow, or it is over.
        """
        queues: frozenset[str] = frozenset()

        async def step(tx: Transaction) -> Decision:
            nonlocal queues
            found = await repository.find_group(tx, workflow_id)
            group = _require_open_group(found)
            queues = frozenset(p.mqid for p in found.profiles if p.is_input and p.retired_at is None)
            mark = {"replaying_until": utc_now() + _REPLAYING, "has_unconfirmed_replays": True}
            return Decision((Update(Collection.MQ_GROUPS, workflow_id, set=mark, rev=group.rev),))

        await self._store.transact(step)
        return queues

    async def _end_replay(self, workflow_id: WorkflowId, *, is_settled: bool) -> None:
        """Remove the mark of replaying. Unless all is settled, keep the mark of unconfirmed replays."""

        async def step(tx: Transaction) -> Decision:
            group = (await repository.find_group(tx, workflow_id)).group
            if group is None or group.replaying_until is None:
                return Decision()
            mark: dict[str, Any] = {"replaying_until": None}
            if is_settled:
                mark["has_unconfirmed_replays"] = False
            return Decision((Update(Collection.MQ_GROUPS, workflow_id, set=mark, rev=group.rev),))

        try:
            await self._store.transact(step)
        except EWMSError as error:
            log.info(
                "the mark of a replay stays until the broker was asked about it",
                workflow_id=workflow_id,
                reason=error.reason,
            )

    async def _check_is_open(self, workflow_id: WorkflowId) -> None:
        """Return if letters may be replayed into the workflow.

        Raises:
            NotFound, Conflict: there is no such workflow, or it is over.
        """
        _require_open_group(await repository.find_group(self._store, workflow_id))

    async def _has_dead_queue(self, workflow_id: WorkflowId) -> bool:
        """Return whether the workflow has a dead queue on the broker.

        Raises:
            NotFound: there is no such workflow.
        """
        group = (await repository.find_group(self._store, workflow_id)).group
        if group is None:
            raise NotFound(_NO_WORKFLOW)
        return group.activated_at is not None and group.state is not GroupState.RETIRED

    async def _note_order(self, order: LettersOrder, n_done: int) -> None:
        """Record who ordered what, for the workflow's owner and the operators."""
        which = describe_choice(order.letters, order.which)
        log.info(
            f"dead letters: {order.action.value}",
            workflow_id=order.workflow_id,
            subject=order.subject,
            which=which,
            n_letters=n_done,
        )
        if not n_done:
            return
        noted = LetterOrderDocument(
            workflow_id=order.workflow_id,
            at=utc_now(),
            subject=order.subject,
            action=order.action.value,
            n_letters=n_done,
            which=which,
        )
        await self._store.insert_new(Collection.LETTER_ORDERS, [{"_id": uuid.uuid4().hex, **noted.model_dump()}])

    async def _list_orders(self, workflow_id: WorkflowId) -> LetterAuditAnswer:
        documents = await self._store.find(
            Collection.LETTER_ORDERS, {"workflow_id": workflow_id}, sort=[("at", -1)], limit=_MAX_AUDIT
        )
        return LetterAuditAnswer(orders=[LetterAudit.model_validate(document) for document in documents])


def _require_open_group(found: StoredGroup) -> MQGroupDocument:
    """Return the group, if workers may still take events from its queues."""
    if found.group is None or found.group.activated_at is None:
        raise NotFound(_NO_WORKFLOW)
    if found.group.state is not GroupState.ACTIVE or found.group.drained_at is not None:
        raise Conflict(
            "the workflow is over: nobody would take the events",
            hint="export its dead letters, and publish them to a new workflow",
        )
    return found.group


def _stop_reason(error: Unavailable) -> str:
    """Return the sentence that tells the user why a replay stopped."""
    if isinstance(error, QueueFull):
        return "the queue of origin is full: wait until its workers have taken some events"
    return error.reason


def _describe_refusal(letter: Letter, error: BaseException) -> str:
    """Return why this one letter cannot be handled. A defect of ours must not hold up the others."""
    if isinstance(error, EWMSError):
        return error.reason
    if not isinstance(error, Exception):
        raise error
    log.error("a dead letter cannot be handled", letter=letter.letter, error=repr(error), exc_info=error)
    return f"letter {letter.letter} cannot be sent: {type(error).__name__}"


def _empty_answer(query: AnyLetterQuery) -> AnyLetterAnswer:
    """Return the answer about a workflow that has no dead queue: not yet, or not any more."""
    match query:
        case LettersQuery():
            return LettersAnswer(letters=[], next_after=None, n_letters=0)
        case LetterGroupsQuery():
            return LetterGroupsAnswer(groups=[], n_letters=0)
        case _:
            raise NotFound("the workflow has no dead letters")
