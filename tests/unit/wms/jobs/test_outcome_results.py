"""What becomes of the outcome of one container for several hosts."""

from schemas.automation.jobs import HostResult, HostState
from wms.jobs.plans.outcome_results import share_result


def test_the_output_of_one_container_for_all_hosts_is_kept_once() -> None:
    result = HostResult(state=HostState.OK, exit_status=0, artifacts='{"a": 1}')
    shared = share_result(result, [f"job/{place}" for place in range(5000)])
    assert [(host, each.artifacts) for host, each in shared[:2]] == [("job/0", '{"a": 1}'), ("job/1", "")]
    assert len(shared) == 5000
    assert {each.state for _, each in shared} == {HostState.OK}
    assert sum(len(each.artifacts) for _, each in shared) == len(result.artifacts)
