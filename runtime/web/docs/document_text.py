"""The text of an OpenAPI document, built at its first use: most processes are never asked for it."""

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic_core import to_json


class DocumentText:
    """The text of one document. To build it takes a third of a second of CPU, so a thread does it."""

    def __init__(self, build: Callable[[], dict[str, Any]]) -> None:
        self._build = build
        self._text: bytes | None = None
        self._turn = asyncio.Lock()

    async def read(self) -> bytes:
        """Return the document in JSON. The first call builds it; calls that come meanwhile wait for the same text."""
        async with self._turn:
            if self._text is None:
                self._text = await asyncio.to_thread(lambda: to_json(self._build()))
            return self._text
