"""Keep logs that come in parts: each part once, in the order in which the parts came, and bounded.

Each row has a place, which grows from part to part. A reader names the place up to which it has read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.kernel.decision import Document
from runtime.kernel.store import Store
from schemas.errors import Rejected
from wms.byte_pages import find_page

_MAX_DIGITS = 15
#: The most rows of one reading.
MAX_ROWS = 200


@dataclass(frozen=True, slots=True)
class NewPart:
    """A part of a log. A repeated part has the same `key`. The row also gets `fields`."""

    key: str
    text: str
    fields: Mapping[str, Any]


class BoundedLogs:
    """The logs in one collection. `sizes` is the collection that counts what each log has."""

    def __init__(self, store: Store, *, rows: str, sizes: str, max_characters: int) -> None:
        self._store = store
        self._rows = rows
        self._sizes = sizes
        self._max_characters = max_characters

    async def add_parts(self, log: str, parts: Sequence[NewPart]) -> int:
        """Store those of `parts` that are new, and return how many were stored.

        What exceeds the limit is cut, and the log says so. Call this for one log at a time: a reader may miss a part
        whose place is before that of a part which it has read.
        """
        by_key = {part.key: part for part in parts}
        found = await self._store.find(self._rows, {"_id": {"$in": list(by_key)}}, projection={"_id": 1})
        known = {each["_id"] for each in found}
        new = [part for key, part in by_key.items() if key not in known]
        if not new:
            return 0
        # An empty part has a place of its own, too.
        sizes = [max(1, len(part.text)) for part in new]
        place = await self._store.count_up(self._sizes, log, sum(sizes)) - sum(sizes)
        documents: list[Document] = []
        for part, size in zip(new, sizes, strict=True):
            place += size
            text = cut_log(part.text, place=place, most=self._max_characters)
            if text or (not part.text and place <= self._max_characters):
                documents.append({"_id": part.key, **part.fields, "place": place, "text": text})
        await self._store.insert_new(self._rows, documents)
        return len(documents)

    async def read_rows(self, query: Mapping[str, Any], after: int = 0, *, limit: int = MAX_ROWS) -> list[Document]:
        """Return the next rows that match `query` after the place `after`, with `id`: at most `limit`, and few MiB."""
        wanted = {**query, "place": {"$gt": after}}
        found, _ = await find_page(self._store, self._rows, wanted, order="place", limit=limit)
        return [{**each, "id": each["_id"]} for each in found]


def cut_log(text: str, *, place: int, most: int) -> str:
    """Return what of `text` is kept, if the log has `place` characters with it and may have `most`."""
    before = place - len(text)
    if place <= most:
        return text
    if before > most:
        return ""
    return f"{text[: most - before]}\n... the log is cut here: it has more than {most} characters\n"


def parse_place(text: str) -> int:
    """Return the place that the id of an event names; 0 for none.

    Raises:
        Rejected: `text` is no id of an event of a log.
    """
    if not text:
        return 0
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise Rejected("Last-Event-ID must be an id that this stream has sent")
    return int(text)
