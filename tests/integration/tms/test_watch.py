"""What is said of taskforces that end, at the moments at which two things happen at once."""

import asyncio
from pathlib import Path

import pytest

from schemas.events import TaskforceCompleted, TaskforceStatuses
from schemas.ids import TaskforceUuid
from tests.integration.tms.peers import LEFT, LIFE, LOG, NOW, StandIn, submitted, watch_of
from tests.waiting import eventually
from tms.files import TmsDirectory

UUID = TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-57c5a8e4")


def ends(stand_in: StandIn) -> list[TaskforceCompleted]:
    return [payload for payload in stand_in.said if isinstance(payload, TaskforceCompleted)]


@pytest.mark.parametrize("again", [False, True])
async def test_who_asks_for_the_end_while_it_is_being_said_hears_it_once_more(tmp_path: Path, again: bool) -> None:
    home, stand_in = TmsDirectory(tmp_path), StandIn()
    submitted(home, UUID, expires_at=NOW + LIFE, log=LOG + LEFT)
    watch = watch_of(stand_in, home)
    await watch.follow_all()
    stand_in.may_say_the_end.clear()
    task = asyncio.create_task(watch.run())
    await eventually(lambda: len(ends(stand_in)) == 1)
    if again:
        await watch.follow_log(UUID, say_again=True)
    stand_in.may_say_the_end.set()
    await eventually(lambda: not watch.list_followed())
    watch.ask_to_stop()
    await task
    assert len(ends(stand_in)) == 1 + again
    assert {end.cluster_id for end in ends(stand_in)} == {7}
    assert not home.taskforce_files(UUID).token.exists()


async def test_the_last_statuses_are_said_before_the_end(tmp_path: Path) -> None:
    """WMS takes no statuses of a taskforce that is over."""
    home, stand_in = TmsDirectory(tmp_path), StandIn()
    submitted(home, UUID, expires_at=NOW + LIFE, log=LOG + LEFT)
    watch = watch_of(stand_in, home)
    await watch.follow_all()
    task = asyncio.create_task(watch.run())
    await eventually(lambda: ends(stand_in))
    watch.ask_to_stop()
    await task
    assert [type(payload) for payload in stand_in.said] == [TaskforceStatuses, TaskforceCompleted]


async def test_a_log_that_cannot_be_read_keeps_no_other_from_being_said(tmp_path: Path) -> None:
    home, stand_in = TmsDirectory(tmp_path), StandIn()
    broken = TaskforceUuid(f"{UUID[:-1]}0")
    for uuid in (broken, UUID):
        submitted(home, uuid, expires_at=NOW + LIFE)
    watch = watch_of(stand_in, home)
    await watch.follow_all()
    log = home.taskforce_files(broken).log
    log.unlink()
    log.mkdir()
    with home.taskforce_files(UUID).log.open("ab") as file:
        file.write(LEFT)
    task = asyncio.create_task(watch.run())
    await eventually(lambda: ends(stand_in))
    assert [end.taskforce_uuid for end in ends(stand_in)] == [UUID]
    assert broken in watch.list_followed()
    assert not task.done()
    watch.ask_to_stop()
    await task
