"""The launcher's loop: a look that fails is taken again, though nothing more happens that would nudge it."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from runtime.kernel.store import Store
from runtime.tracing import current_traceparent
from schemas.errors import Unavailable
from tests.waiting import eventually
from wms.fleet.choices.fleet_settings import Drain, FleetSettings
from wms.fleet.choices.locations import Location, LocationMap
from wms.fleet.launcher import Launcher
from wms.fleet.taskforce_control import TaskforceControl


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

    async def launch_taskforce(self, _: str) -> bool:
        self.launched.set()
        return True


@pytest.mark.parametrize("failure", [RuntimeError("a defect"), Unavailable("the database is away")])
async def test_after_a_look_that_failed_what_waits_is_launched_without_a_further_nudge(failure: Exception) -> None:
    waiting = Waiting(failure)
    launcher = Launcher(
        cast(Store, waiting), cast(TaskforceControl, waiting), LocationMap({"osg": Location(schedd="ap1")})
    )
    await launcher.start()
    try:
        await asyncio.wait_for(waiting.launched.wait(), 20)
    finally:
        await launcher.stop()
    assert waiting.on_commit == []


def _trace_of(number: int) -> str:
    """Return the trace of the request for taskforce `number`; "" for each third one."""
    return "" if number % 3 == 2 else f"00-{number + 1:032x}-{'b' * 16}-01"


class Crowd:
    """A store in which taskforces of several users wait at one schedd; nothing is ever answered but by `answer`."""

    def __init__(self, owners: list[str]) -> None:
        self.on_commit: list[Any] = []
        self.waiting = [
            {"_id": f"TF-{n}", "owner": owner, "schedd": "ap1", "n_asked": 1, "traceparent": _trace_of(n)}
            for n, owner in enumerate(owners)
        ]
        self.unanswered: list[dict[str, Any]] = []
        self.launched: list[str] = []
        #: The trace in which each taskforce was launched.
        self.traces: dict[str, str | None] = {}

    async def find(self, _: str, query: dict[str, Any], *, limit: int = 0, **__: Any) -> list[dict[str, Any]]:
        if "$or" in query:
            return [t for t in self.waiting if t["owner"] == query["owner"]][:limit]
        return self.unanswered if "asked_at" in query else []

    async def distinct(self, *_: Any) -> list[str]:
        return sorted({t["owner"] for t in self.waiting})

    async def launch_taskforce(self, uuid: str) -> bool:
        self.traces[uuid] = current_traceparent()
        taskforce = next(t for t in self.waiting if t["_id"] == uuid)
        self.waiting.remove(taskforce)
        self.unanswered.append(taskforce)
        self.launched.append(taskforce["owner"])
        return True


async def test_six_hundred_taskforces_of_one_user_delay_no_other_user() -> None:
    crowd = Crowd(["ada"] * 600 + ["bob", "eve", "bob"])
    launcher = Launcher(cast(Store, crowd), cast(TaskforceControl, crowd), LocationMap({"osg": Location(schedd="ap1")}))
    await launcher.start()
    try:
        await eventually(lambda: len(crowd.launched) == 4)
        assert sorted(crowd.launched) == ["ada", "ada", "bob", "eve"]
        crowd.unanswered.clear()
        launcher.look_soon()
        await eventually(lambda: len(crowd.launched) == 8)
        assert "bob" in crowd.launched[4:]
    finally:
        await launcher.stop()


async def test_each_taskforce_is_launched_in_the_trace_of_its_own_request() -> None:
    crowd = Crowd(["ada"] * 3)
    launcher = Launcher(cast(Store, crowd), cast(TaskforceControl, crowd), LocationMap({"osg": Location(schedd="ap1")}))
    await launcher.start()
    try:
        await eventually(lambda: not crowd.waiting)
        assert crowd.traces == {"TF-0": _trace_of(0), "TF-1": _trace_of(1), "TF-2": None}
    finally:
        await launcher.stop()


async def test_one_user_alone_has_the_whole_window() -> None:
    crowd = Crowd(["ada"] * 3)
    launcher = Launcher(cast(Store, crowd), cast(TaskforceControl, crowd), LocationMap({"osg": Location(schedd="ap1")}))
    await launcher.start()
    try:
        await eventually(lambda: not crowd.waiting)
    finally:
        await launcher.stop()


async def test_nothing_starts_at_a_drained_schedd_until_it_is_open_again() -> None:
    crowd = Crowd(["ada"])
    drain = Drain(schedd="ap1", location="osg", who="olga", at=datetime(2026, 11, 30, tzinfo=UTC))
    settings = FleetSettings(drains=(drain,))
    n_looks = 0

    def read_settings() -> FleetSettings:
        nonlocal n_looks
        n_looks += 1
        return settings

    launcher = Launcher(
        cast(Store, crowd), cast(TaskforceControl, crowd), LocationMap({"osg": Location(schedd="ap1")}), read_settings
    )
    await launcher.start()
    try:
        await eventually(lambda: n_looks == 1)
        launcher.look_soon()
        await eventually(lambda: n_looks == 2)
        assert crowd.launched == []
        settings = FleetSettings()
        launcher.look_soon()
        await eventually(lambda: crowd.launched == ["ada"])
    finally:
        await launcher.stop()
