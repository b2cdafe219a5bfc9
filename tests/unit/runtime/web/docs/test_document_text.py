"""A document is built when it is asked for, once, and a fault of building it is no document."""

import asyncio
from typing import Any

import pytest

from runtime.web.docs.document_text import DocumentText


async def test_many_who_ask_at_once_get_one_document() -> None:
    built: list[dict[str, Any]] = []

    def build() -> dict[str, Any]:
        built.append({"openapi": "3.1.0"})
        return built[-1]

    text = DocumentText(build)
    assert built == []
    assert set(await asyncio.gather(*(text.read() for _ in range(5)))) == {b'{"openapi":"3.1.0"}'}
    assert await text.read() == b'{"openapi":"3.1.0"}'
    assert len(built) == 1


async def test_a_fault_is_told_and_the_next_call_builds_again() -> None:
    faults = [ValueError("no schema")]

    def build() -> dict[str, Any]:
        if faults:
            raise faults.pop()
        return {}

    text = DocumentText(build)
    with pytest.raises(ValueError, match="no schema"):
        await text.read()
    assert await text.read() == b"{}"
