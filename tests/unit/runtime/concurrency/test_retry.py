"""What comes up by itself is called until it is there, for a bounded time."""

import pytest

from runtime.concurrency.retry import call_until_there
from schemas.errors import Rejected, Unavailable


class Rising:
    """A server that refuses the first calls."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.n_calls = 0

    async def answer(self, _question: str = "") -> str:
        self.n_calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "up"


async def wait_for(server: Rising, *, wait_s: float | None) -> str:
    return await call_until_there(
        server.answer, missing=Unavailable, waiting_for="the server", wait_s=wait_s, cap_s=0.001
    )


async def test_it_is_called_until_it_answers() -> None:
    server = Rising(*[Unavailable("not yet")] * 5)
    assert await wait_for(server, wait_s=None) == "up"
    assert server.n_calls == 6


async def test_the_last_error_comes_out_when_the_time_is_over() -> None:
    server = Rising(*[Unavailable("not yet")] * 1000)
    with pytest.raises(Unavailable, match="not yet"):
        await wait_for(server, wait_s=0.05)
    assert 1 < server.n_calls < 1000


async def test_without_time_it_is_called_once() -> None:
    server = Rising(Unavailable("not yet"))
    with pytest.raises(Unavailable):
        await wait_for(server, wait_s=0.0)
    assert server.n_calls == 1


async def test_any_other_error_comes_out_at_once() -> None:
    server = Rising(Rejected("wrong password"))
    with pytest.raises(Rejected):
        await wait_for(server, wait_s=None)
    assert server.n_calls == 1


async def test_a_plain_function_that_returns_an_awaitable_is_awaited_too() -> None:
    server = Rising(Unavailable("not yet"))
    answer = await call_until_there(
        lambda: server.answer("there?"), missing=Unavailable, waiting_for="the server", wait_s=None, cap_s=0.001
    )
    assert answer == "up"
