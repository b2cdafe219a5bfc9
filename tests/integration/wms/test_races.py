"""Many clients at once on one workflow, over real HTTP: users who add workers and end it, a TMS that confirms."""

import asyncio
import random
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from schemas.fleet.phases import Phase, may_move
from tests.integration.wms.conftest import World, request

SUBMITTED = {"n_workers": 2, "submit_dict": {"universe": "container"}, "job_event_log_fpath": "/jel"}

#: What a race may be answered with: done, too late (404, 422), or come again.
ANSWERS = {200, 404, 422, 503}


def moves(taskforce: dict[str, Any]) -> list[Phase]:
    """Return the phases that a taskforce has really been in."""
    return [Phase(line["target_phase"]) for line in taskforce["phase_change_log"] if line["was_successful"]]


def check_legal(taskforce: dict[str, Any]) -> None:
    """Assert that the log tells a way through the table of legal moves, up to the phase that it stands in."""
    told = moves(taskforce)
    assert told[0] is Phase.PRE_MQ_ACTIVATION
    assert all(may_move(before, after) for before, after in pairwise(told)), told
    assert told[-1] == taskforce["phase"]
    for last in (Phase.PENDING_STOPPER, Phase.CONDOR_RM, Phase.CONDOR_COMPLETE):
        assert told.count(last) <= 1, told


@pytest.mark.parametrize("seed", range(3))
async def test_whoever_comes_first_every_taskforce_ends_by_legal_moves_and_once(world: World, seed: int) -> None:
    rng = random.Random(seed)
    body = request()
    body["tasks"][0]["cluster_locations"] = ["test-alpha"]
    made = (await world.post("/v1/workflows", body)).json()
    workflow_id, task_id = made["workflow"]["workflow_id"], made["task_directives"][0]["task_id"]
    first = made["taskforces"][0]["taskforce_uuid"]
    await world.in_phase(first, "pending-starter")
    uuids = [first]
    answers: list[tuple[str, httpx2.Response]] = []

    async def call(path: str, sent: Any, *, as_tms: bool = False) -> httpx2.Response:
        headers = world.as_tms() if as_tms else world.as_user()
        answer = await world.http.post(f"/v1{path}", json=sent, headers=headers)
        answers.append((path, answer))
        return answer

    async def add_workers() -> None:
        sent = {"cluster_location": "test-alpha", "n_workers": 1}
        answer = await call(f"/task-directives/{task_id}/actions/add-workers", sent)
        if answer.status_code == 200:
            uuids.append(answer.json()["taskforce_uuid"])

    async def end(action: str) -> None:
        await call(f"/workflows/{workflow_id}/actions/{action}", {})

    async def say() -> None:
        uuid = rng.choice(uuids)
        what: list[tuple[str, Any]] = [
            ("condor-submit", {**SUBMITTED, "cluster_id": rng.randrange(1, 4)}),
            ("condor-rm", {}),
            ("condor-rm", {}),
            ("condor-complete", {"condor_complete_ts": 1_795_000_000}),
        ]
        step, sent = rng.choice(what)
        await call(f"/tms/{step}/taskforces/{uuid}", sent, as_tms=True)

    calls = [add_workers() for _ in range(6)] + [say() for _ in range(24)]
    rng.shuffle(calls)
    # The end falls somewhere in the middle, from several sides at once.
    calls[15:15] = [end("abort"), end("finished"), end("abort")]
    await asyncio.gather(*calls)

    codes = {answer.status_code for _, answer in answers}
    assert codes <= ANSWERS, [(path, answer.text) for path, answer in answers if answer.status_code not in ANSWERS]
    ended = [answer for path, answer in answers if "/actions/" in path and path.startswith("/workflows/")]
    assert sum(answer.status_code == 200 for answer in ended) == 1, "a workflow is ended once"

    # The TMS goes on until there is nothing left to remove.
    async with asyncio.timeout(60):
        while True:
            asked = await world.http.get(
                "/v1/tms/pending-stopper/taskforces", params={"schedd": "SCHEDD1"}, headers=world.as_tms()
            )
            if not asked.json():
                break
            uuid = asked.json()["taskforce_uuid"]
            await call(f"/tms/condor-rm/taskforces/{uuid}", {}, as_tms=True)
            await call(f"/tms/condor-complete/taskforces/{uuid}", {"condor_complete_ts": 1_795_000_001}, as_tms=True)

    found = (await world.post("/v1/query/taskforces", {"query": {"workflow_id": workflow_id}})).json()["taskforces"]
    assert {taskforce["taskforce_uuid"] for taskforce in found} == set(uuids), (
        "what was answered 200 exists, and no more"
    )
    for taskforce in found:
        check_legal(taskforce)
        if taskforce["cluster_id"] is None:
            assert taskforce["phase"] == "pending-stopper", "stopped before it had a cluster"
        else:
            assert taskforce["phase"] in ("condor-rm", "condor-complete")
    late = await call(f"/task-directives/{task_id}/actions/add-workers", {"cluster_location": "osg", "n_workers": 1})
    assert late.status_code == 422
