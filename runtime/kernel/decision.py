"""What a decision is made of: changes of documents, events to send, an answer. (core)

Cores return a `Decision`; `runtime.kernel.store` carries it out in one transaction. Kept apart from the store so that a
core can be imported, and tested, without a database driver.
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
    """A new document, which has an `_id`. If it exists already, that is a `Conflict`."""

    collection: str
    document: Mapping[str, Any]

    @property
    def wake_at(self) -> datetime | None:
        """Return when to look at the document again."""
        return self.document.get("wake_at")


@dataclass(frozen=True, slots=True)
class Update:
    """Fields of a document to `set`, `push` to and `unset`; names may be dotted.

    With `rev` the document is changed only if its `rev` is still that one, and `rev` is counted up. Otherwise the whole
    step runs again on the current documents. A list or tuple in `push` appends each of its members.
    """

    collection: str
    id: Any
    set: Mapping[str, Any] = field(default_factory=dict)
    push: Mapping[str, Any] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    rev: int | None = None

    @property
    def wake_at(self) -> datetime | None:
        """Return when to look at the document again, if this changes it."""
        return self.set.get("wake_at")


@dataclass(frozen=True, slots=True)
class Delete:
    """A document to remove; one that is gone already is fine."""

    collection: str
    id: Any

    wake_at = None


Change = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class EventToPublish:
    """An event to publish onto the queue `mqid` of a workflow. If it is sent again after a crash, it keeps its id."""

    mqid: Mqid
    body: bytes
    content_type: str = "application/octet-stream"
    #: AMQP headers, as `schemas.payloads.data_events` names them.
    headers: Mapping[str, str | int] = field(default_factory=dict)


#: What goes out with a commit: an order to a service, a fact for whoever listens, or an event for a task.
Effect = Payload | EventToPublish


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that follows from one stimulus; all of it happens, or nothing does."""

    changes: tuple[Change, ...] = ()
    events: tuple[Effect, ...] = ()
    #: The answer to the caller, in BSON values. It is kept with the request's id, so that a repetition gets the same.
    answer: Any = None


@dataclass(frozen=True, slots=True)
class Repeated:
    """The stimulus was handled before; this was the answer."""

    answer: Any = None


def change_filter(change: Update | Delete) -> Document:
    """Return the filter that finds the document as the decision saw it."""
    if isinstance(change, Update) and change.rev is not None:
        return {"_id": change.id, "rev": change.rev}
    return {"_id": change.id}


def update_operators(update: Update) -> Document:
    """Return the MongoDB update operators of `update`."""
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
    """Yield (collection, are inserts, changes) of neighbours that can go in one round trip, in the given order."""
    for (collection, inserts), group in groupby(changes, key=lambda c: (c.collection, isinstance(c, Insert))):
        yield collection, inserts, list(group)
