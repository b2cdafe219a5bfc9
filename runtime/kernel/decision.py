"""The parts of a decision: changes of documents, events to send, an answer. (core)

Cores return a `Decision`, and `runtime.kernel.store` carries it out in one transaction. The store is another module, so
that tests can import a core without a database driver.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from schemas.events import Payload
from schemas.ids import Mqid

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Insert:
    """A new document with an `_id`. If that `_id` exists already, the store raises `Conflict`."""

    collection: str
    document: Mapping[str, Any]

    @property
    def wake_at(self) -> datetime | None:
        """When to look at the document again; None if never."""
        return self.document.get("wake_at")


@dataclass(frozen=True, slots=True)
class Update:
    """Fields of a document to `set`, to `push` to and to `unset`. Names may have dots (`a.b`).

    With `rev`, the store changes the document only if the document still has that `rev`, and increments it. If not, the
    whole step runs again on the current documents. A list or tuple in `push` appends each of its members.
    """

    collection: str
    id: Any
    set: Mapping[str, Any] = field(default_factory=dict)
    push: Mapping[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    rev: int | None = None

    @property
    def wake_at(self) -> datetime | None:
        """When to look at the document again; None if this update does not change that time."""
        return self.set.get("wake_at")


@dataclass(frozen=True, slots=True)
class Delete:
    """A document to delete. If the document does not exist, that is no error."""

    collection: str
    id: Any

    wake_at = None


Change = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class EventToPublish:
    """An event to publish to the queue `mqid` of a workflow. A repetition after a crash has the same id."""

    mqid: Mqid
    body: bytes
    content_type: str = "application/octet-stream"
    #: AMQP headers, with the names of `schemas.payloads.data_events`.
    headers: Mapping[str, str | int] = field(default_factory=dict)


#: An effect of a commit: an order to a service, a fact for any service, or an event for a task.
Effect = Payload | EventToPublish


@dataclass(frozen=True, slots=True)
class Decision:
    """All that follows from one stimulus. The store commits all of it or nothing."""

    changes: tuple[Change, ...] = ()
    events: tuple[Effect, ...] = ()
    #: The answer to the caller, in BSON values. The store keeps it with the request's id, for repetitions.
    answer: Any = None


@dataclass(frozen=True, slots=True)
class Repeated:
    """The first answer, for a stimulus that comes a second time."""

    answer: Any = None


def change_filter(change: Update | Delete) -> Document:
    """Return the MongoDB filter that matches the document only in the state that the decision saw."""
    if isinstance(change, Update) and change.rev is not None:
        return {"_id": change.id, "rev": change.rev}
    return {"_id": change.id}


def update_operators(update: Update) -> Document:
    """Return the MongoDB operators that do what `update` says."""
    operators: Document = {}
    if update.set:
        operators["$set"] = dict(update.set)
    if update.push:
        operators["$push"] = {
            name: {"$each": list(value)} if isinstance(value, list | tuple) else value
            for name, value in update.push.items()
        }
    if update.unset:
        operators["$unset"] = dict.fromkeys(update.unset, "")
    if update.rev is not None:
        operators["$inc"] = {"rev": 1}
    return operators


def batch_changes(changes: Iterable[Change]) -> Iterator[tuple[str, bool, list[Change]]]:
    """Group neighbouring changes that need only one call of the database. Yield (collection, are inserts, changes).

    The order stays.
    """
    for (collection, inserts), group in groupby(changes, key=lambda c: (c.collection, isinstance(c, Insert))):
        yield collection, inserts, list(group)
