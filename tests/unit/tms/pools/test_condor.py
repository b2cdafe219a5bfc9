"""What HTCondor's answers mean to TMS, each as the bindings would bring it."""

from pathlib import Path
from typing import Any

import pytest

from schemas.ids import TaskforceUuid
from tests.unit.tms.orders import UUID, built
from tms.errors import ClusterGone, PoolUnavailable, ReleaseRefused, RemoveRefused, SubmitRefused
from tms.pools.condor import CondorPool

ALL_DONE = {"TotalSuccess": 1, "TotalError": 0, "TotalPermissionDenied": 0}
PAUSED = {
    "ClusterId": 7,
    "EWMSTaskforceUUID": str(UUID),
    "JobMaterializeLimit": 40,
    "JobMaterializePaused": 1,
    "JobMaterializeNextProcId": 0,
    "Out": "/dev/null",
    "UserLog": "/srv/tms/job.log",
}
#: As after its release.
RUNNING = PAUSED | {"JobMaterializePaused": 0, "JobMaterializeNextProcId": 8}


class Schedd(CondorPool):
    """A pool whose bindings answer what a test says: a result of each call by its name."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(schedd="")
        self.answers = answers
        self.asked: list[dict[str, Any]] = []

    async def _exchange_lines(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        answer = self.answers[request["call"]]
        return answer if isinstance(answer, dict) and "error" in answer else {"result": answer}


async def test_a_release_is_of_one_cluster_of_one_taskforce() -> None:
    schedd = Schedd(query=[PAUSED], act=ALL_DONE)
    assert await schedd.release_cluster(UUID, 7)
    act = schedd.asked[-1]
    assert (act["action"], act["constraint"]) == ("Release", f'EWMSTaskforceUUID == "{UUID}" && ClusterId == 7')


@pytest.mark.parametrize("refusal", ["TotalError", "TotalPermissionDenied"])
async def test_a_release_or_removal_that_htcondor_refuses_is_not_taken_for_done(refusal: str) -> None:
    schedd = Schedd(query=[PAUSED], act=ALL_DONE | {"TotalSuccess": 0, refusal: 1})
    with pytest.raises(ReleaseRefused, match="cluster 7"):
        await schedd.release_cluster(UUID, 7)
    with pytest.raises(RemoveRefused, match="cluster 7"):
        await schedd.remove_clusters(UUID)


@pytest.mark.parametrize("ad", [RUNNING, PAUSED | {"JobMaterializeNextProcId": 3}])
async def test_what_was_released_once_is_not_released_again(ad: dict[str, Any]) -> None:
    """Not even when it is paused: a factory that has made jobs was paused by somebody."""
    schedd = Schedd(query=[ad], act=ALL_DONE)
    assert not await schedd.release_cluster(UUID, 7)
    assert [request["call"] for request in schedd.asked] == ["query"]


async def test_what_is_not_in_the_queue_is_gone() -> None:
    with pytest.raises(ClusterGone):
        await Schedd(query=[PAUSED]).release_cluster(UUID, 8)
    assert await Schedd(query=[]).remove_clusters(UUID) == []


async def test_the_place_of_the_output_is_made_only_where_it_is_ours(tmp_path: Path) -> None:
    for directory, is_made in (("cluster-7", True), ("cluster-8", False), ("elsewhere", False)):
        schedd = Schedd(query=[PAUSED | {"Out": str(tmp_path / directory / "0.out")}], act=ALL_DONE)
        # Twice, as after a kill in between.
        for _ in range(2):
            await schedd.release_cluster(UUID, 7)
        assert (tmp_path / directory).exists() == is_made


async def test_removal_of_one_cluster_or_all() -> None:
    other = PAUSED | {"ClusterId": 9}
    schedd = Schedd(query=[other, PAUSED], act=ALL_DONE)
    assert await schedd.remove_clusters(UUID, 9) == [9]
    assert await schedd.remove_clusters(UUID) == [7, 9]


async def test_clusters_whose_id_is_none_of_ours_are_left_alone() -> None:
    foreign = PAUSED | {"EWMSTaskforceUUID": "0123abcd", "ClusterId": 3}
    assert [cluster.cluster_id for cluster in await Schedd(query=[foreign, PAUSED]).list_clusters()] == [7]
    assert "JobMaterializePaused =!= undefined" in _constraint(await _asked_for_clusters())


async def test_a_refused_submit_and_a_silent_schedd_are_different_things() -> None:
    for kind, error in (("refused", SubmitRefused), ("unavailable", PoolUnavailable)):
        with pytest.raises(error):
            await Schedd(submit={"error": "x", "kind": kind}).submit_cluster(built())
    with pytest.raises(PoolUnavailable):
        await Schedd(query={"error": "x", "kind": "refused"}).ping()


async def test_a_submit_tells_how_many_jobs_htcondor_took() -> None:
    cluster = await Schedd(submit={"cluster_id": 7, "n_jobs": 39}).submit_cluster(built())
    assert (cluster.cluster_id, cluster.n_workers, cluster.awaits_release) == (7, 39, True)


@pytest.mark.parametrize("uuid", ['TF-1" || true || "', ""])
async def test_no_id_becomes_more_than_an_id(uuid: str) -> None:
    schedd = Schedd(query=[PAUSED], act=ALL_DONE)
    for call in (schedd.find_clusters, schedd.remove_clusters):
        with pytest.raises(Exception, match="is not the id"):
            await call(TaskforceUuid(uuid))
    assert schedd.asked == []


async def _asked_for_clusters() -> Schedd:
    schedd = Schedd(query=[])
    await schedd.list_clusters()
    return schedd


def _constraint(schedd: Schedd) -> str:
    return str(schedd.asked[-1]["constraint"])
