"""Callers that ask at the same time share one piece of work."""

import asyncio

import pytest

from runtime.concurrency.shared_work import SharedWork
from tests.fake_clock import run_on_fake_clock


class Counted:
    """Work that counts how often it was done."""

    def __init__(self) -> None:
        self.n = 0

    async def __call__(self) -> int:
        self.n += 1
        await asyncio.sleep(0.1)
        return self.n


def test_callers_at_the_same_time_share_the_work_and_others_keys_do_not() -> None:
    async def main() -> None:
        shared, work = SharedWork(), Counted()
        assert await asyncio.gather(*(shared.find_result("a", work) for _ in range(200))) == [1] * 200
        assert await shared.find_result("b", work) == 2

    run_on_fake_clock(main())


def test_a_result_is_kept_for_its_time_only() -> None:
    async def main() -> None:
        shared, work = SharedWork(kept_for_s=1.0), Counted()
        assert await shared.find_result("a", work) == 1
        await asyncio.sleep(0.5)
        assert await shared.find_result("a", work) == 1
        await asyncio.sleep(0.6)
        assert await shared.find_result("a", work) == 2
        shared.forget_result("a")
        assert await shared.find_result("a", work) == 3

    run_on_fake_clock(main())


def test_an_error_reaches_all_who_wait_and_is_not_kept() -> None:
    async def fail() -> int:
        await asyncio.sleep(0.1)
        raise ValueError("away")

    async def main() -> None:
        shared = SharedWork()
        found = await asyncio.gather(*(shared.find_result("a", fail) for _ in range(3)), return_exceptions=True)
        assert [str(error) for error in found] == ["away"] * 3
        with pytest.raises(ValueError, match="away"):
            await shared.find_result("a", fail)
        assert await shared.find_result("a", Counted()) == 1

    run_on_fake_clock(main())


def test_a_caller_that_is_cancelled_does_not_cancel_the_others() -> None:
    async def main() -> None:
        shared, work = SharedWork(), Counted()
        first, second = (asyncio.create_task(shared.find_result("a", work)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == 1

    run_on_fake_clock(main())


def test_the_number_of_kept_results_is_bounded() -> None:
    async def main() -> None:
        shared, work = SharedWork(kept_for_s=60, most=2), Counted()
        for key in ("a", "b", "c"):
            await shared.find_result(key, work)
        await shared.find_result("c", work)
        assert work.n == 3
        await shared.find_result("a", work)
        assert work.n == 4

    run_on_fake_clock(main())


def test_a_result_takes_no_memory_after_its_time() -> None:
    async def main() -> None:
        shared, work = SharedWork(kept_for_s=1.0), Counted()
        await shared.find_result("a", work)
        assert len(shared) == 1
        await asyncio.sleep(1.0)
        assert len(shared) == 0

    run_on_fake_clock(main())
