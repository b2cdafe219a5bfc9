"""Answer questions about dead letters: pages, groups and bodies. Pass orders on to `mqs.letters.letter_orders`."""

from mqs.letters.dead_queue import DeadReader
from mqs.letters.dead_readers import DeadReaders
from mqs.letters.history import find_failed_attempts
from mqs.letters.letter import group_letters, select_letters, show_letter
from mqs.letters.letter_orders import LetterOrders
from mqs.letters.replay_marks import ReplayMarks
from runtime.kernel.store import Store
from schemas.attempts.dead_letters import (
    MAX_LETTER_GROUPS,
    MAX_PAGE_BYTES,
    MAX_STRETCH_BYTES,
    AnyLetterAnswer,
    AnyLetterQuery,
    DeadLetter,
    LetterAnswer,
    LetterAuditQuery,
    LetterBodyAnswer,
    LetterBodyQuery,
    LetterGroupsAnswer,
    LetterGroupsQuery,
    LetterQuery,
    LettersAnswer,
    LettersOrder,
    LettersQuery,
)
from schemas.attempts.failed_history import AttemptsQuery
from schemas.errors import NotFound


class DeadLetterDesk:
    """Answers questions about the dead letters of all workflows, and passes orders on."""

    def __init__(self, store: Store, readers: DeadReaders, orders: LetterOrders) -> None:
        self._store = store
        self._readers = readers
        self._orders = orders
        self._marks = ReplayMarks(store)

    async def answer_query(self, query: AnyLetterQuery) -> AnyLetterAnswer:
        """Answer a question, or carry out an order, and return the answer.

        Raises:
            NotFound: the workflow or the letter does not exist.
            Conflict: the workflow is over, so MQS replays no letters into it.
            Unavailable: the broker does not answer.
        """
        match query:
            case LettersOrder():
                return await self._orders.carry_out_order(query)
            case LetterAuditQuery():
                return await self._orders.list_orders(query.workflow_id)
            case _:
                pass
        if not await self._marks.has_dead_queue(query.workflow_id):
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


def _empty_answer(query: AnyLetterQuery) -> AnyLetterAnswer:
    """Return the answer about a workflow that has no dead queue, because it does not exist yet or was deleted."""
    match query:
        case LettersQuery():
            return LettersAnswer(letters=[], next_after=None, n_letters=0)
        case LetterGroupsQuery():
            return LetterGroupsAnswer(groups=[], n_letters=0)
        case _:
            raise NotFound("the workflow has no dead letters")
