"""A subscription's troubles: which of them end the loop, and which only make a sentence."""

import asyncio

from ewms.errors import Unreachable
from ewms.queues.subscription_trouble import SubscriptionTrouble
from schemas.errors import NotFound

GONE = NotFound("there is no such queue")


def trouble(away_timeout_s: float | None = 0.05) -> tuple[SubscriptionTrouble, list[str], asyncio.Event]:
    notes: list[str] = []
    woken = asyncio.Event()
    return SubscriptionTrouble(away_timeout_s, notify=notes.append, wake=woken.set), notes, woken


async def test_one_refusal_is_a_broker_that_comes_up_and_five_in_a_row_are_a_queue_that_is_gone() -> None:
    some, _, woken = trouble()
    for _ in range(4):
        some.note_refused(GONE)
        assert some.failure is None
    some.note_refused(GONE)
    assert some.failure is GONE
    assert woken.is_set()


async def test_a_delivery_in_between_makes_earlier_refusals_count_no_more() -> None:
    some, _, _ = trouble()
    for _ in range(4):
        some.note_refused(GONE)
    some.note_delivery()
    some.note_refused(GONE)
    assert some.failure is None


async def test_a_broker_that_stays_away_ends_the_loop_and_says_what_to_do() -> None:
    some, notes, woken = trouble()
    some.note_lost(NotFound("reset by peer"))
    await asyncio.wait_for(woken.wait(), 5)
    assert notes == ["the connection to the broker is lost (reset by peer); trying again"]
    assert isinstance(some.failure, Unreachable)
    assert "0.05 s" in some.failure.reason
    assert "consume again" in some.failure.hint


async def test_a_broker_that_comes_back_in_time_ends_nothing() -> None:
    some, notes, woken = trouble()
    some.note_lost(NotFound("reset by peer"))
    some.note_back()
    await asyncio.sleep(0.1)
    assert some.failure is None
    assert not woken.is_set()
    assert notes[-1] == "connected to the broker again"


async def test_without_a_limit_the_broker_may_stay_away_for_ever() -> None:
    some, _, woken = trouble(None)
    some.note_lost(NotFound("reset by peer"))
    await asyncio.sleep(0.1)
    assert some.failure is None
    assert not woken.is_set()
