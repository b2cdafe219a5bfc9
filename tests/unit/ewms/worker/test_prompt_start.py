"""A worker that is stopped between the check of an order and its step asks the broker again."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from ewms.worker import prompt_start
from ewms.worker.offers import Offer
from ewms.worker.orders import OrderIntake, WmsVoice
from ewms.worker.prompt_start import PromptStart, StartedLate, begin_promptly
from schemas.events import NodeEnded
from schemas.ids import DefinitionHash
from tests.unit.ewms.worker.test_orders import Heard, Loan, body_of, order_for


class StoppedThreads(ThreadPoolExecutor):
    """Threads of a process that is stopped before the first call, for longer than the broker waits."""

    def __init__(self, pass_time: Callable[[], None]) -> None:
        super().__init__(max_workers=1)
        self._pass_time = pass_time
        self.n_calls = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.n_calls += 1
        if self.n_calls == 1:
            self._pass_time()
        return super().submit(fn, *args, **kwargs)


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Moves the clock of the checks on by 20 s."""
    now = [100.0]
    monkeypatch.setattr(prompt_start, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def move_on() -> None:
        now[0] += 20

    return move_on


@pytest.mark.parametrize("is_still_lent", [True, False])
async def test_after_a_stop_before_its_thread_began_a_step_is_called_only_if_its_order_is_still_lent(
    is_still_lent: bool, offers: dict[DefinitionHash, Offer], pass_time: Callable[[], None]
) -> None:
    heard = Heard()
    intake = OrderIntake(offers, WmsVoice(heard, pool="default", worker="w1"), worker="w1", n_slots=1)
    threads = intake._threads = StoppedThreads(pass_time)
    intake.take_delivery(Loan(body_of(order_for(offers, "1")), heard.log, is_still_lent=is_still_lent))
    await intake.drain()
    assert [ended.node for ended in heard.payloads(NodeEnded)] == ["1"] * is_still_lent
    assert heard.log[-1] == ("ack" if is_still_lent else "release")
    assert threads.n_calls == 1 + is_still_lent


def test_a_late_thread_calls_nothing(pass_time: Callable[[], None]) -> None:
    called: list[str] = []
    start = PromptStart()
    call = begin_promptly(start, lambda: called.append("once"))
    call()
    pass_time()
    with pytest.raises(StartedLate):
        call()
    assert called == ["once"]
