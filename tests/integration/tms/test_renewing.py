"""Tokens of many taskforces on a real disk: what is wrong with one costs no other its renewal."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from runtime.concurrency.turns import Turns
from schemas.errors import Rejected, Unavailable
from schemas.ids import TaskforceUuid
from schemas.questions.queues import GrantQuery
from tests.integration.tms.peers import LEFT, LIFE, NOW, StandIn, submitted, watch_of
from tests.waiting import eventually
from tms.clusters.renew import TokenRenewal
from tms.clusters.stopped_taskforces import StoppedTaskforces
from tms.files import TmsDirectory
from tms.log.watch import LogWatch

FAILING, *OTHERS = (TaskforceUuid(f"TF-6b00e09f-926a610b-485d2fc0-0000000{n}") for n in range(5))


def raising(error: Exception) -> Callable[[GrantQuery], Awaitable[None]]:
    async def fails(query: GrantQuery) -> None:
        if query.taskforce_uuid == FAILING:
            raise error

    return fails


@asynccontextmanager
async def renewing(
    home: TmsDirectory, stand_in: StandIn, *, ended: StoppedTaskforces | None = None, watch: LogWatch | None = None
) -> AsyncIterator[None]:
    """Renew the tokens of all taskforces in `home`, the failing one's first."""
    watch = watch or watch_of(stand_in, home)
    await watch.follow_all()
    renewal = TokenRenewal(
        home=home, bus=stand_in.bus, watch=watch, turns=Turns(), ended=ended or StoppedTaskforces(), clock=lambda: NOW
    )
    await renewal.take_up_followed()
    task = asyncio.create_task(renewal.run())
    try:
        yield
    finally:
        assert not task.done(), "the loop has ended"
        task.cancel()
        watch.ask_to_stop()


def token_of(home: TmsDirectory, uuid: TaskforceUuid) -> str:
    return home.taskforce_files(uuid).token.read_text()


@pytest.fixture
def home(tmp_path: Path) -> TmsDirectory:
    """Five taskforces whose tokens are all due, the failing one's for the longest time."""
    made = TmsDirectory(tmp_path)
    for n, uuid in enumerate([FAILING, *OTHERS]):
        submitted(made, uuid, expires_at=NOW + timedelta(minutes=n))
    return made


@pytest.mark.parametrize("error", [Unavailable("MQS is away"), OSError("no space left"), RuntimeError("a defect")])
async def test_one_that_cannot_be_renewed_yet_holds_up_no_other(home: TmsDirectory, error: Exception) -> None:
    stand_in = StandIn(raising(error))
    async with renewing(home, stand_in):
        await eventually(lambda: all(token_of(home, uuid) == f"{uuid} 1" for uuid in OTHERS))
        assert token_of(home, FAILING) == "first"
        assert stand_in.asked[0] == FAILING, "the others' turn came after the failure"


async def test_one_that_may_have_no_more_is_not_asked_for_again(home: TmsDirectory) -> None:
    stand_in = StandIn(raising(Rejected("the workflow is over")))
    async with renewing(home, stand_in):
        await eventually(lambda: all(token_of(home, uuid) == f"{uuid} 1" for uuid in OTHERS))
        assert stand_in.asked.count(FAILING) == 1
        assert token_of(home, FAILING) == "first"


async def test_one_that_was_stopped_gets_no_more(home: TmsDirectory) -> None:
    stand_in, ended = StandIn(), StoppedTaskforces()
    ended.note_stop(FAILING)
    async with renewing(home, stand_in, ended=ended):
        await eventually(lambda: all(token_of(home, uuid) == f"{uuid} 1" for uuid in OTHERS))
        assert FAILING not in stand_in.asked


async def test_a_token_that_has_more_than_half_of_its_life_is_left_alone(tmp_path: Path) -> None:
    home, stand_in = TmsDirectory(tmp_path), StandIn()
    due = TaskforceUuid(f"{FAILING[:-1]}9")
    submitted(home, FAILING, expires_at=NOW + LIFE / 2 + timedelta(minutes=1))
    submitted(home, due, expires_at=NOW + LIFE / 2)
    async with renewing(home, stand_in):
        await eventually(lambda: token_of(home, due) == f"{due} 1")
        assert stand_in.asked == [due]


async def test_a_taskforce_that_ended_while_mqs_was_asked_keeps_no_token(home: TmsDirectory) -> None:
    async def ends(query: GrantQuery) -> None:
        if query.taskforce_uuid == FAILING:
            with home.taskforce_files(FAILING).log.open("ab") as log:
                log.write(LEFT)
            await eventually(lambda: FAILING not in watch.list_followed())

    stand_in = StandIn(ends)
    watch = watch_of(stand_in, home)
    async with renewing(home, stand_in, watch=watch):
        watching = asyncio.create_task(watch.run())
        # Its turn is before theirs.
        await eventually(lambda: all(token_of(home, uuid) == f"{uuid} 1" for uuid in OTHERS))
        assert stand_in.asked[0] == FAILING
        assert not home.taskforce_files(FAILING).token.exists()
    await watching
