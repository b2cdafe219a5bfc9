"""WMS starts its parts in this order, and stops them in the reverse order: a part stops before those that it needs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from wms.app import run_wms
from wms.settings import WmsSettings

ROOT = Path(__file__).parents[3]
STEPS = {"connect", "start", "drain", "consume", "answer", "stop", "close"}
PLACES = tuple(str(ROOT / place) for place in ("wms", "runtime/kernel", "runtime/bus/service_bus.py"))

STARTED = """
    Store.connect IndexKeeper.start Bus.connect Relay.start
    SharedDocument.start SnapshotWriter.start Launcher.start DrainWatch.start Timers.start StallWatch.start Census.start
    LockKeeper.start SharedDocument.start ChildWorkflows.start StepWorkers.start Timers.start
    TreeTurns.start OrphanedApprovals.start NotificationParts.start NotificationWatch.start NotificationSender.start
    Timers.start ScheduleRunner.start Timers.start BuildWatch.start Jobs.start WorkWatch.start LeftoverHosts.start
    Bus.consume Bus.answer RunWatch.start
"""
STOPPED = """
    RunWatch.stop Bus.drain
    Jobs.stop WorkWatch.stop LeftoverHosts.stop BuildWatch.stop ScheduleRunner.stop Timers.stop
    NotificationParts.stop NotificationWatch.stop NotificationSender.stop Timers.stop WebhookSender.close
    OrphanedApprovals.stop TreeTurns.stop
    Timers.stop StepWorkers.stop SecretRotation.stop Effects.stop ChildWorkflows.stop LockKeeper.stop
    SharedDocument.stop Census.stop StallWatch.stop Timers.stop DrainWatch.stop Launcher.stop SnapshotWriter.stop
    SharedDocument.stop
    Relay.stop Bus.close IndexKeeper.stop Database.close
"""


@contextmanager
def record_steps(steps: list[str]) -> Iterator[None]:
    """Add each call of a method that starts or stops a part of WMS to `steps`, in order. A coroutine counts once."""
    seen: set[FrameType] = set()

    def watch(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        is_step = code.co_name in STEPS and code.co_filename.startswith(PLACES)
        if event == "call" and is_step and frame not in seen:
            seen.add(frame)
            steps.append(code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        sys.setprofile(before)


async def test_parts_start_after_those_that_they_need_and_stop_before_them(wms_settings: WmsSettings) -> None:
    started: list[str] = []
    stopped: list[str] = []
    wms = run_wms(wms_settings)
    with record_steps(started):
        await wms.__aenter__()
    with record_steps(stopped):
        await wms.__aexit__(None, None, None)
    assert (started, stopped) == (STARTED.split(), STOPPED.split())
