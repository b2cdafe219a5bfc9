"""Follow the changes of a collection as MongoDB commits them, from any point that the database still knows.

    async with open_changes(store, "runs", after=token) as changes:
        change = await changes.read_next()      waits for a moment; None: there was no change
        change.token                            the next reader begins after this change

The changes of all processes come in the order of their commits. A reader that begins again after the token
of the last change that it has read misses no change. Source: MongoDB manual, "Change Streams".
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.errors import OperationFailure

from runtime.kernel.database import Database
from runtime.kernel.mongo import translate_errors
from schemas.errors import Conflict

#: The account lacks a right, which an operator must grant. Source: MongoDB's error codes, Unauthorized.
_UNAUTHORIZED = 13


class ChangesLost(Conflict):
    """The database does not know this point, or no longer knows the changes after it."""


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """A document was inserted or changed. To see the document, read it from the database."""

    token: str
    id: Any


class Changes:
    """The changes of one collection after one point."""

    def __init__(self, stream: AsyncChangeStream[dict[str, Any]]) -> None:
        self._stream = stream

    @property
    def token(self) -> str:
        """The point up to which all changes have been read; empty if the point is not known yet."""
        return str((self._stream.resume_token or {}).get("_data", ""))

    async def read_next(self) -> DocumentChange | None:
        """Wait a moment for the next change, and return it. Return None if no change came.

        Raises:
            ChangesLost: the database no longer knows the next changes, or the collection was dropped.
            Unavailable: the database is away.
        """
        with translate_errors(), _notice_loss():
            change = await self._stream.try_next()
        if change is None and not self._stream.alive:
            # The database was emptied. From a dead stream the driver returns None at once, without end.
            raise ChangesLost("the collection is not there any more")
        return None if change is None else DocumentChange(change["_id"]["_data"], change["documentKey"]["_id"])


@asynccontextmanager
async def open_changes(database: Database, collection: str, *, after: str = "") -> AsyncIterator[Changes]:
    """Follow the changes of `collection` during the block: all after the token `after`, or all from now on.

    Raises:
        ChangesLost: `after` is no token of this database, or too old.
        Unavailable: the database is away, or its account may not follow changes.
    """
    with translate_errors(), _notice_loss():
        stream = await database.watch_collection(collection, after=after)
    try:
        yield Changes(stream)
    finally:
        # A cancellation must not leave the cursor open on the server.
        await asyncio.shield(stream.close())


@contextmanager
def _notice_loss() -> Iterator[None]:
    try:
        yield
    except OperationFailure as error:
        if error.code == _UNAUTHORIZED:
            raise
        raise ChangesLost("the database does not know what came after this") from error
