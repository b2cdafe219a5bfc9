"""Translate between the driver and the kernel: indexes, and the driver's errors."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pymongo
from bson.errors import InvalidDocument
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from runtime.hosts.certificates import explain_distrust
from schemas.errors import Broken, Rejected, Unavailable

_DUPLICATE_KEY = 11000
#: Errors while the database is being emptied. Source: MongoDB's error codes, DatabaseDropPending and QueryPlanKilled.
_BEING_EMPTIED = frozenset({215, 175})

#: Errors that an operator must correct. The server's own text repeats the whole command with its documents, so we use
#: these texts. Source: MongoDB's error codes, Unauthorized and AuthenticationFailed.
_REFUSED: Mapping[int | None, str] = {
    13: "the database's account lacks a right",
    18: "the database refused the login",
}
_HINT = "EWMS_MONGO_URL names the account and its password; it needs the role readWrite on the service's database"

#: How long one call, or one attempt at a transaction, may take. After that the database counts as away.
PATIENCE_S = 4.5


@dataclass(frozen=True, slots=True)
class Index:
    """An index on `keys`. A `-` before a name means descending order."""

    keys: tuple[str, ...]
    unique: bool = False
    partial: Mapping[str, Any] | None = None
    expire_after: timedelta | None = None


def index_model(index: Index) -> IndexModel:
    """Return `index` as an object of the driver."""
    options: dict[str, Any] = {}
    if index.unique:
        options["unique"] = True
    if index.partial is not None:
        options["partialFilterExpression"] = dict(index.partial)
    if index.expire_after is not None:
        options["expireAfterSeconds"] = int(index.expire_after.total_seconds())
    keys = [(key.removeprefix("-"), DESCENDING if key.startswith("-") else ASCENDING) for key in index.keys]
    return IndexModel(keys, **options)


def is_transient(error: BaseException) -> bool:
    """Return whether the transaction changed nothing, and another attempt at once may succeed."""
    if not isinstance(error, PyMongoError) or error.timeout:
        # After a timeout the next attempt would time out, too.
        return False
    return error.has_error_label("TransientTransactionError") or not _BEING_EMPTIED.isdisjoint(_error_codes(error))


def _error_codes(error: PyMongoError) -> set[Any]:
    details = getattr(error, "details", None) or {}
    return {details.get("code"), *(failed.get("code") for failed in details.get("writeErrors", ()))}


def may_commit_again(error: PyMongoError) -> bool:
    """Return whether it is unknown if the commit succeeded, so that a second commit finds out."""
    return error.has_error_label("UnknownTransactionCommitResult") and not error.timeout


def is_duplicate(error: BulkWriteError) -> bool:
    """Return whether a unique index refused the write."""
    return any(failed.get("code") == _DUPLICATE_KEY for failed in (error.details or {}).get("writeErrors", ()))


@contextmanager
def _raise_lost_cancellation() -> Iterator[None]:
    """Raise the cancellation of the current task if it came during the block and the block lost it.

    The driver awaits its sockets with `asyncio.wait_for`. Before Python 3.12, if a result and a cancellation come in
    the same iteration of the event loop, that call returns the result and drops the cancellation. A loop that a service
    had cancelled then went on for ever.
    """
    n_before = _count_cancellations()
    try:
        yield
    except Exception as error:
        if _count_cancellations() > n_before:
            raise asyncio.CancelledError from error
        raise
    if _count_cancellations() > n_before:
        raise asyncio.CancelledError


def _count_cancellations() -> int:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        # No loop runs: a test calls us.
        return 0
    return task.cancelling() if task is not None else 0


@contextmanager
def translate_errors(within: object = None, *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Limit the driver's calls in the block to `patience_s` seconds, and convert the driver's errors to our families.

    `within` a transaction do not limit or convert: the transaction has its own deadline, and the labels of the driver's
    errors say whether to try again.
    """
    if within is not None:
        with _raise_lost_cancellation():
            yield
        return
    try:
        with pymongo.timeout(patience_s), _raise_lost_cancellation():
            yield
    except (ConnectionFailure, ExecutionTimeout, WTimeoutError) as error:
        why, remedy = explain_distrust(error)
        if why:
            raise Unavailable(f"the database's certificate is refused: {why}", hint=remedy) from error
        raise Unavailable(f"the database is away: {type(error).__name__}") from error
    except (InvalidDocument, OverflowError, UnicodeEncodeError) as error:
        # No document can hold this: an integer over 64 bits, NUL in a key, half a surrogate pair. The driver raises the
        # encoder's errors unchanged, and a repetition would fail again.
        raise Rejected(f"the database cannot store this: {type(error).__name__}") from error
    except PyMongoError as error:
        if isinstance(error, OperationFailure) and error.code in _REFUSED:
            raise Unavailable(_REFUSED[error.code], hint=_HINT) from error
        if not _BEING_EMPTIED.isdisjoint(_error_codes(error)):
            raise Unavailable("somebody is emptying the database") from error
        raise Broken(f"the database refused: {type(error).__name__}") from error
