"""Data of servers lie in memory where it has room, and go with their launch."""

from pathlib import Path
from typing import Any, cast

import pytest

from deploy.local.choices.ports import Ports
from deploy.local.fetch.cache import Installed
from deploy.local.system.data_directory import throwaway_data
from deploy.local.system.services import ServerPlaces
from tests import memory_servers
from tests.memory_servers import MemoryServers, data_in_memory

#: Servers that start nothing.
NOTHING = cast("Installed", None)


class Started:
    """Stands for the unpacked servers. It writes a file where the broker has its data."""

    def start_rabbitmq(self, _: Any, places: ServerPlaces, __: Any) -> None:
        for number in range(1, places.n_nodes + 1):
            name = "rabbitmq" if number == 1 else f"rabbitmq-{number}"
            (places.data.make_place(name) / "queue").write_text("event")


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_servers, "Unpacked", lambda _: Started())


def start_broker(servers: MemoryServers, run: Path, *, n_nodes: int = 1) -> None:
    run.mkdir(exist_ok=True)
    servers.start_rabbitmq(
        cast("Any", None), ServerPlaces(run, throwaway_data(run), Ports(), n_nodes), cast("Any", None)
    )


@pytest.mark.parametrize("memory", ["/proc", "/no/such/directory"])
def test_without_room_the_data_stay_on_disk(memory: str) -> None:
    with data_in_memory(NOTHING, Path(memory)) as servers:
        assert servers is None


def test_the_data_are_in_memory_until_the_next_start_after_their_launch(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    memory.mkdir()
    servers = MemoryServers(NOTHING, memory)
    start_broker(servers, tmp_path / "one", n_nodes=3)
    # A second try has the data of the first.
    start_broker(servers, tmp_path / "one", n_nodes=3)
    assert len(list(memory.glob("*/queue"))) == 3
    start_broker(servers, tmp_path / "two")
    assert len(list(memory.iterdir())) == 4
    for link in (tmp_path / "one").glob("rabbitmq*"):
        link.unlink()
    start_broker(servers, tmp_path / "three")
    assert len(list(memory.iterdir())) == 2
    assert (tmp_path / "three/rabbitmq/queue").resolve().is_relative_to(memory)


def test_nothing_of_a_session_stays_in_memory(tmp_path: Path) -> None:
    with data_in_memory(NOTHING, tmp_path) as servers:
        # A machine without so much room has nothing to look at.
        if servers is not None:
            start_broker(servers, tmp_path.parent / "run")
    assert not list(tmp_path.iterdir())
