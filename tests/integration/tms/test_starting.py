"""A start without a broker: what makes it submit once, and what it leaves behind when it must not submit at all."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from runtime.concurrency.turns import Turns
from schemas.errors import Rejected, Unavailable
from schemas.events import TaskforceRemoved, TaskforceSubmitFailed, TaskforceSubmitted
from schemas.questions.queues import GrantQuery
from tests.integration.tms.peers import NOW, StandIn, watch_of
from tests.unit.tms.orders import PLAIN, UUID, order
from tms.clusters.input_files import InputFiles
from tms.clusters.renew import TokenRenewal
from tms.clusters.start import Starter
from tms.clusters.stopped_taskforces import StoppedTaskforces
from tms.files import TmsDirectory
from tms.jobs.pilot_files import PilotProfile
from tms.pools.local.pool import LocalPool
from tms.reporter import Reporter


@pytest.fixture
async def pool(tmp_path: Path) -> LocalPool:
    made = LocalPool(tmp_path / "local-pool", n_slots=1)
    await made.start()
    return made


def starter_of(
    home: TmsDirectory, pool: LocalPool, stand_in: StandIn, *, ended: StoppedTaskforces | None = None
) -> Starter:
    """Return the starter of a TMS that has just begun."""
    watch, turns, ended = watch_of(stand_in, home), Turns(), ended or StoppedTaskforces()
    return Starter(
        schedd="s",
        pool=pool,
        pool_profile=PLAIN,
        pilot_profile=PilotProfile(allowed_platforms=frozenset()),
        input_files=InputFiles([home.root.parent / "in"], forbidden=[home.root], max_bytes=1000),
        home=home,
        bus=stand_in.bus,
        voice=Reporter(stand_in.bus, clock=lambda: NOW),
        watch=watch,
        renewal=TokenRenewal(home=home, bus=stand_in.bus, watch=watch, turns=turns, ended=ended, clock=lambda: NOW),
        turns=turns,
        ended=ended,
    )


def raising(error: Exception) -> Callable[[GrantQuery], Awaitable[None]]:
    async def meanwhile(_: GrantQuery) -> None:
        raise error

    return meanwhile


@pytest.mark.parametrize("lost", [False, True])
async def test_a_start_that_comes_again_finds_the_cluster_also_when_all_files_are_lost(
    tmp_path: Path, pool: LocalPool, lost: bool
) -> None:
    home, stand_in = TmsDirectory(tmp_path / "tms"), StandIn()
    home.root.mkdir()
    for n in range(2):
        await starter_of(home, pool, stand_in).start_taskforce(order())
        if n == 0 and lost:
            shutil.rmtree(home.root / "taskforces")
    first, again = (payload for payload in stand_in.said if isinstance(payload, TaskforceSubmitted))
    assert first.cluster_id == again.cluster_id
    assert len(await pool.list_clusters()) == len(stand_in.asked) == 1


async def test_a_start_that_comes_again_when_the_cluster_has_gone_finds_its_log(
    tmp_path: Path, pool: LocalPool
) -> None:
    home, stand_in = TmsDirectory(tmp_path / "tms"), StandIn()
    home.root.mkdir()
    await starter_of(home, pool, stand_in).start_taskforce(order())
    await pool.remove_clusters(UUID)
    await starter_of(home, pool, stand_in).start_taskforce(order())
    first, again = (payload for payload in stand_in.said if isinstance(payload, TaskforceSubmitted))
    assert first.cluster_id == again.cluster_id
    assert await pool.list_clusters() == []
    assert len(stand_in.asked) == 1


async def test_a_refused_token_is_told_and_leaves_neither_cluster_nor_inputs(tmp_path: Path, pool: LocalPool) -> None:
    home, stand_in = TmsDirectory(tmp_path / "tms"), StandIn(raising(Rejected("no such queue")))
    home.root.mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "geo.gz").write_text("x")
    await starter_of(home, pool, stand_in).start_taskforce(order(pilot={"input_files": [f"{tmp_path}/in/geo.gz"]}))
    (failed,) = (payload for payload in stand_in.said if isinstance(payload, TaskforceSubmitFailed))
    assert failed.error == "no such queue"
    assert await pool.list_clusters() == []
    files = home.taskforce_files(UUID)
    assert not files.inputs.exists()
    assert not files.token.exists()


async def test_while_mqs_is_away_nothing_is_said_and_the_order_stays(tmp_path: Path, pool: LocalPool) -> None:
    home, stand_in = TmsDirectory(tmp_path / "tms"), StandIn(raising(Unavailable("away")))
    home.root.mkdir()
    with pytest.raises(Unavailable):
        await starter_of(home, pool, stand_in).start_taskforce(order())
    assert stand_in.said == []
    assert await pool.list_clusters() == []


async def test_what_was_stopped_is_not_started(tmp_path: Path, pool: LocalPool) -> None:
    home, stand_in, ended = TmsDirectory(tmp_path / "tms"), StandIn(), StoppedTaskforces()
    ended.note_stop(UUID)
    await starter_of(home, pool, stand_in, ended=ended).start_taskforce(order())
    assert [type(payload) for payload in stand_in.said] == [TaskforceRemoved]
    assert stand_in.asked == []
    assert await pool.list_clusters() == []
