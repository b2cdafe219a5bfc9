"""The one way of waiting: it ends at once when the condition holds, and says what was not so when it never does."""

import asyncio
from functools import partial

import pytest

from tests.waiting import eventually, holds_within, wait_until


def test_a_wait_returns_what_its_condition_found() -> None:
    found = iter([0, None, "", 7, 8, 9])
    assert wait_until(lambda: next(found), pause_s=0) == 7
    assert wait_until(lambda: next(found), lambda one: one == 9, pause_s=0) == 9


async def test_a_condition_may_be_async() -> None:
    found = iter([[], [1]])

    async def look() -> list[int]:
        return next(found)

    assert await eventually(look, pause_s=0) == [1]
    assert await eventually(lambda: "at once", within_s=0.01) == "at once"


def test_a_wait_in_vain_shows_the_condition_what_it_was_last_and_the_state() -> None:
    depths = {"in": 3}
    with pytest.raises(AssertionError) as caught:
        wait_until(lambda: depths["in"] == 4, within_s=0, show=lambda: f"the log: {depths}")
    text = str(caught.value)
    assert 'depths["in"] == 4' in text
    assert "it was False" in text
    assert text.endswith("the log: {'in': 3}")


async def test_an_async_wait_in_vain_fails_in_the_same_words() -> None:
    def is_there() -> bool:
        return False

    with pytest.raises(AssertionError, match=r"waited 0\.01 s in vain for .*is_there\(\); it was False"):
        await eventually(is_there, within_s=0.01)
    with pytest.raises(AssertionError, match=r"is_there\(\)"):
        await eventually(partial(is_there), within_s=0.01)


async def test_a_condition_that_hangs_is_waited_for_no_longer() -> None:
    with pytest.raises(AssertionError, match="nothing yet"):
        await eventually(lambda: asyncio.sleep(60), within_s=0.01)


async def test_a_timeout_of_the_condition_itself_is_not_taken_for_a_wait_in_vain() -> None:
    async def look() -> None:
        raise TimeoutError("the broker's")

    with pytest.raises(TimeoutError, match="the broker's"):
        await eventually(look)


def test_where_waiting_in_vain_is_a_result_there_is_an_answer() -> None:
    assert holds_within(lambda: True, 0)
    assert not holds_within(lambda: False, 0)
