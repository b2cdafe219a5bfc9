"""A warm container that says nothing is named, once."""

import asyncio
import logging

import pytest

from pilot.stream.silence import Silence
from tests.waiting import eventually


async def until_told(caplog: pytest.LogCaptureFixture) -> str:
    await eventually(lambda: caplog.messages)
    return caplog.messages[0]


@pytest.mark.parametrize(("has_read", "what"), [(True, "has read its event"), (False, "has not even read its event")])
async def test_a_container_that_answers_nothing_is_named_once_with_the_remedy(
    caplog: pytest.LogCaptureFixture, has_read: bool, what: str
) -> None:
    silence = Silence("ewms-warm-1", has_read=lambda: has_read, after_s=0.01)
    with caplog.at_level(logging.WARNING):
        silence.begin_wait("e-1")
        said = await until_told(caplog)
        assert f"ewms-warm-1 {what} e-1 and has not answered" in said
        assert "flush" in said
        silence.begin_wait("e-2")
        await asyncio.sleep(0.05)
    assert len(caplog.messages) == 1


async def test_one_that_answers_in_time_is_not(caplog: pytest.LogCaptureFixture) -> None:
    silence = Silence("ewms-warm-1", has_read=lambda: True, after_s=0.05)
    for n in range(3):
        silence.begin_wait(f"e-{n}")
        silence.end_wait()
    await asyncio.sleep(0.15)
    assert not caplog.messages
