"""Wait for something that comes by itself, for example a server that is starting: call until it is there.

The pauses double, with full jitter (`runtime.amqp.backoff` says why).
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential
from tenacity.stop import stop_after_delay, stop_never

from runtime.telemetry import log
from schemas.errors import EWMSError

Result = TypeVar("Result")


async def call_until_there(
    call: Callable[[], Awaitable[Result]],
    *,
    missing: type[EWMSError] | tuple[type[EWMSError], ...],
    waiting_for: str,
    wait_s: float | None,
    cap_s: float = 2.0,
) -> Result:
    """Call `call` until it no longer raises `missing`, and return its result. Stop after `wait_s` seconds (None:
    never).

    The pauses between the calls grow up to `cap_s` seconds. `waiting_for` names the awaited thing in the log.

    Raises:
        EWMSError: the last `missing` when the time is over, or any other error at once.
    """

    def log_wait(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.info(f"waiting for {waiting_for}", reason=error.reason if isinstance(error, EWMSError) else "")

    async def call_once() -> Result:
        # tenacity awaits the result of a coroutine function only; `call` may be any callable.
        return await call()

    policy = AsyncRetrying(
        retry=retry_if_exception_type(missing),
        wait=wait_random_exponential(multiplier=0.5, max=cap_s),
        stop=stop_never if wait_s is None else stop_after_delay(wait_s),
        before_sleep=log_wait,
        reraise=True,
    )
    return await policy(call_once)
