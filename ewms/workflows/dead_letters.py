"""A workflow's failures for its user: failed attempts, and dead letters to look at, replay, discard or export.

run.failures.errors()                what went wrong, by task and error signature
run.failures.dead_letters()          each dead letter
run.failures.replay(signature=...)   send these back to their queues, once the bug is fixed
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypedDict, TypeVar, Unpack
from urllib.parse import quote, urlencode

from pydantic import BaseModel

from ewms.errors import AlreadyThere, NotThere, ServerFailed
from ewms.gateway.http import Gateway
from ewms.loop_thread import LoopThread
from schemas.api.failures import (
    Attempts,
    DeadLetterGroups,
    DeadLetterOrders,
    DeadLetters,
    DeadLetterSeen,
    Errors,
    LettersHandled,
)
from schemas.attempts.dead_letters import LETTER_ID, MAX_LETTERS_AT_ONCE, DeadLetter, LetterAudit
from schemas.attempts.failed_history import Attempt, ErrorGroup
from schemas.errors import Rejected
from schemas.ids import WorkflowId

_LETTER = re.compile(LETTER_ID)

Body = TypeVar("Body", bound=BaseModel)


class FailureFilter(TypedDict, total=False):
    """Which failures to take: those of one event, one task, one error signature. Several conditions must all hold."""

    event_id: str | None
    task_id: str | None
    signature: str | None


#: A function that the client calls with the number of letters that it has handled so far.
Progress = Callable[[int], None]


class AsyncFailures:
    """The failures of one workflow: failed attempts, errors and dead letters.

    Most methods take `event_id=`, `task_id=` or `signature=` to narrow down which failures they work on.
    """

    def __init__(self, gateway: Gateway, workflow: WorkflowId) -> None:
        self._gateway = gateway
        self._path = f"/workflows/{workflow}"

    async def errors(self) -> list[ErrorGroup]:
        """Return what went wrong so far, by task and error signature, the most frequent first."""
        return (await self._get_model("errors", Errors)).errors

    async def attempts(self, *, n: int | None = None, **which: Unpack[FailureFilter]) -> list[Attempt]:
        """Return failed attempts, the newest first: `n` of them at most, or all if `n` is None."""
        found: list[Attempt] = []
        query = _build_query(which)
        while True:
            page = await self._get_model("failed-attempts", Attempts, **query)
            found += page.attempts
            if page.next_before is None or (n is not None and len(found) >= n):
                return found[:n]
            query["before"] = page.next_before

    async def groups(self) -> DeadLetterGroups:
        """Return the numbers of dead letters by task and error signature, the largest group first, and the number of
        all.
        """
        return await self._get_model("dead-letters/groups", DeadLetterGroups)

    async def dead_letters(self, **which: Unpack[FailureFilter]) -> AsyncIterator[DeadLetter]:
        """Yield the dead letters, the oldest first, without their bodies."""
        async for letter in self._fetch_pages("dead-letters", which):
            yield letter

    async def export(self, **which: Unpack[FailureFilter]) -> AsyncIterator[tuple[DeadLetter, bytes]]:
        """Yield the dead letters with their headers and bodies, the oldest first.

        Only one page of them is in memory at a time.
        """
        async for letter in self._fetch_pages("dead-letters/whole", which):
            yield letter, letter.body if letter.body is not None else await self.body(letter.letter)

    async def show(self, letter: str) -> DeadLetterSeen:
        """Return one dead letter with its headers and the failed attempts at its event.

        `letter` is the letter's name or its event's id.

        Raises:
            NotThere: the dead letter does not exist.
        """
        return await self._get_model(f"dead-letters/{await self._find_name(letter)}", DeadLetterSeen)

    async def body(self, letter: str) -> bytes:
        """Return the bytes of a dead letter's event, as its sender published them.

        `letter` is the letter's name or its event's id.

        Raises:
            NotThere: the dead letter does not exist.
        """
        content, _ = await self._gateway.get_bytes(f"{self._path}/dead-letters/{await self._find_name(letter)}/body")
        return content

    async def replay(self, *letters: str, progress: Progress | None = None, **which: Unpack[FailureFilter]) -> int:
        """Send dead letters back to the queues that they came from, and return how many.

        Name the `letters` (or the ids of their events), or give `event_id=`, `task_id=` or `signature=`. Without any,
        send all. If an event dies again meanwhile, it is not sent twice. After each request to the server, call
        `progress` with the number of letters done so far.

        Raises:
            AlreadyThere: the workflow is over, or a queue takes no more events. The remaining letters stay.
            Rejected: the call has both `letters` and conditions.
        """
        return await self._handle_letters("replay", letters, which, progress)

    async def discard(self, *letters: str, progress: Progress | None = None, **which: Unpack[FailureFilter]) -> int:
        """Delete dead letters for good, and return how many.

        The arguments are those of `replay`. Without any, delete all dead letters.

        Raises:
            Rejected: the call has both `letters` and conditions.
        """
        return await self._handle_letters("discard", letters, which, progress)

    async def orders(self) -> list[LetterAudit]:
        """Return the replays and discards of dead letters and who ordered them, the newest first."""
        return (await self._get_model("dead-letters/orders", DeadLetterOrders)).orders

    async def _handle_letters(
        self, action: str, letters: tuple[str, ...], which: FailureFilter, progress: Progress | None
    ) -> int:
        # We name the letters: an event that dies again has another name, so repeating a request does no harm.
        names = [await self._find_name(letter) for letter in letters]
        if not letters:
            names = [letter.letter async for letter in self._fetch_pages("dead-letters", which)]
        elif any(which.values()):
            raise Rejected("name dead letters, or choose them by event, task or signature: not both")
        n_done = n_refused = 0
        refused = ""
        for at in range(0, len(names), MAX_LETTERS_AT_ONCE):
            portion = names[at : at + MAX_LETTERS_AT_ONCE]
            answer = await self._gateway.post_json(f"{self._path}/dead-letters/actions/{action}", {"letters": portion})
            handled = LettersHandled.model_validate(answer)
            # A letter that is missing was handled by another user, or by a request of ours whose answer was lost.
            n_done += handled.n_done
            n_refused += handled.n_refused
            refused = refused or handled.refused
            if progress is not None:
                progress(n_done)
            if handled.stopped:
                raise AlreadyThere(
                    f"{n_done} of {len(names)} dead letters done, then: {handled.stopped}",
                    hint="the others are still dead letters; try again later",
                )
        if refused:
            raise AlreadyThere(
                f"{n_done} of {len(names)} dead letters done, {n_refused} cannot be: {refused}",
                hint="export them, and discard them",
            )
        return n_done

    async def _find_name(self, letter: str) -> str:
        """Return the name of the dead letter `letter`, which is that name already, or the id of its event.

        Raises:
            NotThere: no dead letter has an event with this id.
        """
        if _LETTER.fullmatch(letter):
            return letter
        async for found in self._fetch_pages("dead-letters", {"event_id": letter}):
            return found.letter
        raise NotThere(
            f"{letter!r} is not a dead letter of {self._path.rpartition('/')[2]}",
            hint="`ewms dlq list WORKFLOW --each` shows them",
        )

    async def _fetch_pages(self, path: str, which: FailureFilter) -> AsyncIterator[DeadLetter]:
        query = _build_query(which)
        while True:
            page = await self._get_model(path, DeadLetters, **query)
            for letter in page.dead_letters:
                yield letter
            if page.next_after is None:
                return
            query["after"] = page.next_after

    async def _get_model(self, path: str, kind: type[Body], **query: str) -> Body:
        asked = f"?{urlencode(query, quote_via=quote)}" if query else ""
        try:
            return kind.model_validate(await self._gateway.get_json(f"{self._path}/{path}{asked}"))
        except ValueError as error:
            raise ServerFailed("the server answered with something other than failures") from error


def _build_query(which: FailureFilter) -> dict[str, str]:
    return {name: str(value) for name, value in which.items() if value is not None}


class Failures:
    """The failures of one workflow: failed attempts, errors and dead letters.

    Most methods take `event_id=`, `task_id=` or `signature=` to narrow down which failures they work on.
    """

    def __init__(self, portal: LoopThread, failures: AsyncFailures) -> None:
        self._portal = portal
        self._failures = failures

    def errors(self) -> list[ErrorGroup]:
        """Return what went wrong so far, by task and error signature, the most frequent first."""
        return self._portal.run_coroutine(self._failures.errors)

    def attempts(self, *, n: int | None = None, **which: Unpack[FailureFilter]) -> list[Attempt]:
        """Return failed attempts, the newest first: `n` of them at most, or all if `n` is None."""
        return self._portal.run_coroutine(lambda: self._failures.attempts(n=n, **which))

    def groups(self) -> DeadLetterGroups:
        """Return the numbers of dead letters by task and error signature, the largest group first, and the number of
        all.
        """
        return self._portal.run_coroutine(self._failures.groups)

    def dead_letters(self, **which: Unpack[FailureFilter]) -> Iterator[DeadLetter]:
        """Yield the dead letters, the oldest first, without their bodies."""
        return self._portal.run_iterator(self._failures.dead_letters(**which))

    def export(self, **which: Unpack[FailureFilter]) -> Iterator[tuple[DeadLetter, bytes]]:
        """Yield the dead letters with their headers and bodies, the oldest first.

        Only one page of them is in memory at a time.
        """
        return self._portal.run_iterator(self._failures.export(**which))

    def show(self, letter: str) -> DeadLetterSeen:
        """Return one dead letter with its headers and the failed attempts at its event.

        `letter` is the letter's name or its event's id.

        Raises:
            NotThere: the dead letter does not exist.
        """
        return self._portal.run_coroutine(lambda: self._failures.show(letter))

    def body(self, letter: str) -> bytes:
        """Return the bytes of a dead letter's event, as its sender published them.

        `letter` is the letter's name or its event's id.

        Raises:
            NotThere: the dead letter does not exist.
        """
        return self._portal.run_coroutine(lambda: self._failures.body(letter))

    def replay(self, *letters: str, progress: Progress | None = None, **which: Unpack[FailureFilter]) -> int:
        """Send dead letters back to the queues that they came from, and return how many.

        Name the `letters` (or the ids of their events), or give `event_id=`, `task_id=` or `signature=`. Without any,
        send all. If an event dies again meanwhile, it is not sent twice. After each request to the server, call
        `progress` with the number of letters done so far.

        Raises:
            AlreadyThere: the workflow is over, or a queue takes no more events. The remaining letters stay.
            Rejected: the call has both `letters` and conditions.
        """
        return self._portal.run_coroutine(lambda: self._failures.replay(*letters, progress=progress, **which))

    def discard(self, *letters: str, progress: Progress | None = None, **which: Unpack[FailureFilter]) -> int:
        """Delete dead letters for good, and return how many.

        The arguments are those of `replay`. Without any, delete all dead letters.

        Raises:
            Rejected: the call has both `letters` and conditions.
        """
        return self._portal.run_coroutine(lambda: self._failures.discard(*letters, progress=progress, **which))

    def orders(self) -> list[LetterAudit]:
        """Return the replays and discards of dead letters and who ordered them, the newest first."""
        return self._portal.run_coroutine(self._failures.orders)
