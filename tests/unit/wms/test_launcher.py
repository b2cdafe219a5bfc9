"""The launcher's loop: a look that fails is taken again, though nothing more happens that would nudge it."""

import asyncio
from typing import Any, cast

import pytest

from runtime.store import Store
from schemas.errors import Unavailable
from wms.fleet.clusters import Cluster, ClusterMap
from wms.fleet.fleet import Fleet
from wms.fleet.launcher import Launcher


class Waiting:
    """A store in which one taskforce waits for its turn; the first look at it fails."""

    def __init__(self, failure: Exception) -> None:
        self.on_commit: list[Any] = []
        self.launched = asyncio.Event()
        self._failures = [failure]

    async def find(self, _: str, query: dict[str, Any], **__: Any) -> list[dict[str, Any]]:
        if self._failures:
            raise self._failures.pop()
        return [{"_id": "TF-1", "schedd": "ap1"}] if "$or" in query and not self.launched.is_set() else []

    async def distinct(self, _: str, key: str, query: dict[str, Any]) -> list[str]:
        return ["ada"] if key == "owner" and "$or" in query and not self.launched.is_set() else []

    async def launch(self, _: str) -> bool:
        self.launched.set()
        return True


@pytest.mark.parametrize("failure", [RuntimeError("a defect"), Unavailable("the database is away")])
async def test_after_a_look_that_failed_what_waits_is_launched_without_a_further_nudge(failure: Exception) -> None:
    waiting = Waiting(failure)
    launcher = Launcher(cast(Store, waiting), cast(Fleet, waiting), ClusterMap({"osg": Cluster(schedd="ap1")}))
    await launcher.start()
    try:
        await asyncio.wait_for(waiting.launched.wait(), 20)
    finally:
        await launcher.stop()
    assert waiting.on_commit == []
