"""Carry out orders about dead letters: replay them to the queue of origin, or discard them.

MQS publishes a replay, waits for the confirm, and only then removes the letter from the dead queue. If a crash comes in
between, the letter is still there, and the next replay has the same event id. MQS replays nothing into a workflow that
is over. No workflow ends while a replay may be under way: see `mqs.letters.replay_marks`.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from mqs.groups import repository
from mqs.groups.progress import count_letters
from mqs.letters.dead_queue import DeadReader
from mqs.letters.dead_readers import DeadReaders
from mqs.letters.letter import Letter, describe_choice, replay_headers, select_letters
from mqs.letters.replay_marks import ReplayMarks
from runtime.amqp import Connection, ConnectionLost, QueueFull, Unroutable
from runtime.clock import utc_now
from runtime.failpoints import failpoint
from runtime.kernel.store import Decision, Store, Transaction
from runtime.telemetry import counter, log
from schemas.attempts.dead_letters import (
    MAX_LETTERS_AT_ONCE,
    LetterAction,
    LetterAudit,
    LetterAuditAnswer,
    LettersDone,
    LettersOrder,
)
from schemas.attempts.documents import LETTER_ORDERS, LetterOrderDocument
from schemas.errors import Conflict, EWMSError, Unavailable
from schemas.ids import WorkflowId

#: How many letters MQS handles at the same time.
_N_AT_ONCE = 20

#: A queue that does not exist. How many seconds the broker may take to return an event for it.
_NO_QUEUE = "ewms.nobody"
_CONFIRM_WITHIN_S = 5.0

#: How many seconds one order may take, because its caller waits.
_LONGEST_S = 15.0

_MAX_AUDIT = 200

_handled = counter("mqs_dead_letters_handled_total", "Dead letters replayed or discarded.", ["action"])


class LetterOrders:
    """Replays and discards letters of all workflows."""

    def __init__(self, store: Store, connection: Connection, readers: DeadReaders, *, per_s: float) -> None:
        """`per_s` is how many letters MQS replays in a second at most, for all workflows together."""
        self._store = store
        self._connection = connection
        self._readers = readers
        self._marks = ReplayMarks(store)
        self._per_s = per_s
        self._free_at_s = 0.0

    async def carry_out_order(self, order: LettersOrder) -> LettersDone:
        """Carry out an order. Return how many letters are done, missing and left, and the reason if it stopped early.

        Raises:
            NotFound: the workflow does not exist.
            Conflict: the workflow is over, so MQS replays no letters into it.
            Unavailable: the broker does not answer.
        """
        if order.action is LetterAction.DISCARD:
            if not await self._marks.has_dead_queue(order.workflow_id):
                return LettersDone(n_done=0, n_missing=len(order.letters or ()), n_left=0)
            async with self._readers.lend_reader(order.workflow_id) as reader:
                done = await self._handle_letters(reader, order, lambda letter: reader.drop_letter(letter.letter))
        else:
            await self._marks.check_is_open(order.workflow_id)
            async with self._readers.lend_reader(order.workflow_id) as reader:
                queues = await self._marks.begin_replay(order.workflow_id)
                failpoint("mqs.replaying")
                is_settled = False
                try:
                    done = await self._handle_letters(
                        reader, order, lambda letter: self._replay_letter(reader, letter, queues)
                    )
                    is_settled = not done.stopped
                finally:
                    await self._marks.end_replay(order.workflow_id, is_settled=is_settled)
        _handled.labels(order.action.value).inc(done.n_done)
        await self._note_order(order, done.n_done)
        return done

    async def list_orders(self, workflow_id: WorkflowId) -> LetterAuditAnswer:
        """Return the orders about a workflow's letters and their users, the latest first."""
        documents = await self._store.find(
            LETTER_ORDERS, {"workflow_id": workflow_id}, sort=[("at", -1)], limit=_MAX_AUDIT
        )
        return LetterAuditAnswer(orders=[LetterAudit.model_validate(document) for document in documents])

    async def confirm_replays(self) -> None:
        """Return when the broker has read every replay that this process has sent.

        The broker reads a connection in order. So the broker returns an event without a queue only after it has read
        the replays before that event.

        Raises:
            Unavailable: the broker does not answer, or accepts no events for now.
        """
        with suppress(Unroutable):
            await self._connection.publish(
                "", _NO_QUEUE, b"", message_id=str(uuid.uuid4()), timeout_s=_CONFIRM_WITHIN_S
            )

    async def _handle_letters(
        self, reader: DeadReader, order: LettersOrder, handle: Callable[[Letter], Awaitable[None]]
    ) -> LettersDone:
        """Handle the chosen letters, `_N_AT_ONCE` at a time, and return how many are done, refused and missing.

        Skip letters that cannot be handled. Stop when `MAX_LETTERS_AT_ONCE` are done, when time is up, or when the
        broker accepts no more.
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
                    # After a lost connection it is unknown whether the broker has the event, so it stays counted.
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
        """Add `n_of` letters, by queue of origin, to the replayed or discarded letters of the workflow."""
        if not n_of:
            return

        async def step(tx: Transaction) -> Decision:
            found = await repository.find_group(tx, order.workflow_id)
            if found.group is None:
                return Decision()
            return Decision(repository.group_changes(found, count_letters(found.group, order.action, n_of)))

        await self._store.transact(step)

    async def _wait_for_rate(self, n: int) -> None:
        """Wait until MQS may replay `n` more letters. All workflows share the rate."""
        now_s = asyncio.get_running_loop().time()
        start_s = max(now_s, self._free_at_s)
        self._free_at_s = start_s + n / self._per_s
        await asyncio.sleep(start_s - now_s)

    async def _replay_letter(self, reader: DeadReader, letter: Letter, queues: frozenset[str]) -> None:
        if letter.queue not in queues:
            raise Conflict(f"the queue of origin of letter {letter.letter} was deleted")
        body = await reader.fetch_body(letter.letter)
        # MQS has the right to publish over the default exchange. That reaches a public input that is shut for all
        # others.
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

    async def _note_order(self, order: LettersOrder, n_done: int) -> None:
        """Record the order and its user, for the workflow's owner and the operators."""
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
        await self._store.insert_new(LETTER_ORDERS, [{"_id": uuid.uuid4().hex, **noted.model_dump()}])


def _stop_reason(error: Unavailable) -> str:
    """Return a sentence that tells the user why a replay has stopped."""
    if isinstance(error, QueueFull):
        return "the queue of origin is full: wait until its workers have taken some events"
    return error.reason


def _describe_refusal(letter: Letter, error: BaseException) -> str:
    """Return why this letter cannot be handled. Even a defect of MQS must not delay the other letters."""
    if isinstance(error, EWMSError):
        return error.reason
    if not isinstance(error, Exception):
        raise error
    log.error("a dead letter cannot be handled", letter=letter.letter, error=repr(error), exc_info=error)
    return f"letter {letter.letter} cannot be sent: {type(error).__name__}"
