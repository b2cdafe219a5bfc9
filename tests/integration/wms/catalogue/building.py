"""The two step lists of a builder, as small as they can be: what they find and build, a test says through `WORLD`."""

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2

from ewms.steps import State, StepList, begin, retrystep, step, task
from schemas.automation.builds import REPORT_TOKEN_HEADER, BuildOrder, BuiltImage, FoundCommit, SyncedImage, SyncState

COMMITS = [character * 40 for character in "abcdef"]


@dataclass
class BuildWorld:
    """What the world of a builder looks like now."""

    gateway: str = ""
    commit: str = COMMITS[0]
    #: Why a fetch or a build fails; "" if it does not.
    fetch_fault: str = ""
    build_fault: str = ""
    #: Locations that cannot be reached.
    away: set[str] = field(default_factory=set)
    #: Locations where the image arrives damaged.
    damaged: set[str] = field(default_factory=set)
    log: tuple[str, ...] = ("STEP 1: FROM scratch\n", "STEP 2: COPY . /task\n")
    #: A build goes on when this is set.
    may_build: threading.Event = field(default_factory=threading.Event)
    #: The orders to build, in order, and the status codes of the answers to reports.
    orders: list[BuildOrder] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


WORLD = BuildWorld()


def find_digest(commit: str) -> str:
    """Return the digest of the image that a commit gives."""
    return f"sha256:{hashlib.sha256(commit.encode()).hexdigest()}"


def report(order: BuildOrder, token: str, number: int, **fields: Any) -> int:
    """Report about a build; return the status code of the answer."""
    body = {
        "stream": hashlib.sha256(order.build.encode()).hexdigest()[:16],
        "number": number,
        "stage": "build",
        **fields,
    }
    answer = httpx2.post(
        f"{WORLD.gateway}{order.report_path}", json=body, headers={REPORT_TOKEN_HEADER: token}, timeout=20
    )
    WORLD.answers.append(answer.status_code)
    return answer.status_code


@step("Look at the source")
def look_at_source(order: dict[str, Any]) -> State:
    """Return the commit that the source has now."""
    assert BuildOrder.model_validate(order).report_path == ""
    if WORLD.fetch_fault:
        raise RuntimeError(WORLD.fetch_fault)
    found = FoundCommit(commit=WORLD.commit, subject="Mend the check", author="Grace")
    return {"commit": found.model_dump(mode="json")}


@step("Build the image")
def build_image(order: dict[str, Any], report_token: str) -> State:
    """Build, and report the log twice, as a builder does whose first report may be lost."""
    wanted = BuildOrder.model_validate(order)
    WORLD.orders.append(wanted)
    for number, line in enumerate(WORLD.log):
        report(wanted, report_token, number, log=line)
        report(wanted, report_token, number, log=line)
    assert WORLD.may_build.wait(timeout=60)
    if WORLD.build_fault:
        raise RuntimeError(WORLD.build_fault)
    return {"image": BuiltImage(digest=find_digest(wanted.commit), size_bytes=1000).model_dump(mode="json")}


@retrystep("Sync the image", wait=timedelta(seconds=0.3), longest=timedelta(seconds=0.5))
def sync_image(order: dict[str, Any], report_token: str, image: dict[str, Any]) -> State:
    """Bring the image to every location, or say which ones are away."""
    wanted = BuildOrder.model_validate(order)
    states = {name: SyncState.UNREACHABLE if name in WORLD.away else SyncState.SYNCED for name in wanted.locations}
    told = {
        name: {"state": state, "reason": "no route" if name in WORLD.away else ""} for name, state in states.items()
    }
    report(wanted, report_token, 1000 + len(WORLD.answers), stage="sync", locations=told)
    if away := sorted(WORLD.away & set(wanted.locations)):
        raise ConnectionError("; ".join(f"location {name!r}: no route to its directory" for name in away))
    synced = {
        name: SyncedImage(
            digest=find_digest("another") if name in WORLD.damaged else image["digest"], image=f"/images/{name}"
        ).model_dump(mode="json")
        for name in wanted.locations
    }
    return {"synced": synced}


def find_task_commit() -> StepList:
    """Look at a source."""
    return begin >> look_at_source


def build_task_image() -> StepList:
    """Build an image, and bring it to the clusters."""
    return begin >> build_image >> sync_image


def register_lists() -> None:
    """Register both step lists. What a test registers goes with the test."""
    task("Find the commit of a task")(find_task_commit)
    task("Build the image of a task")(build_task_image)
