"""When a work is judged over: not as long as an outcome may be on its way."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas.automation.jobs import HostResult, HostState, JobDocument
from schemas.engine.runs import NodeState, NodeStatus
from schemas.fleet.documents import WorkflowDocument
from schemas.fleet.phases import Deactivated
from tests.unit.wms.fleets import made
from tests.unit.wms.jobs.making import JOB, make_work
from wms.jobs.plans.host_choice import HostFacts, name_host
from wms.jobs.plans.stopping import CANCELED, WorkStop
from wms.jobs.work.work_judge import WorkJudge

LATE = WorkStop(is_cancel=False, in_doubt="in doubt: late", not_begun="no task ran: late")
ABORTED = {"deactivated": Deactivated.ABORTED, "over_at": made().workflow.timestamp}


class Around:
    """The store, the queue of outcomes and the engine around a judge. One work has two hosts, of which one is fed."""

    def __init__(self) -> None:
        self.results: dict[str, HostResult] = {}
        self.ended: list[Any] = []
        self.has_outcomes = False
        self.work = make_work(places=(0, 1), n_fed=1)
        self.n_ordered = 1
        self.workflow: WorkflowDocument | None = made().workflow.model_copy(update=ABORTED)

    @property
    def store(self) -> Any:
        return self

    async def count(self, _collection: str, _query: Any) -> int:
        return self.n_ordered

    async def is_empty(self, _workflow: str, _alias: str) -> bool:
        return not self.has_outcomes

    async def find_work(self, _workflow: str) -> Any:
        return self.work

    async def list_facts_at(self, *_: Any) -> list[HostFacts]:
        ids = [name_host(JOB, place) for place in self.work.places]
        return [HostFacts(each, 0, {0: self.results[each].state} if each in self.results else {}) for each in ids]

    async def keep_results(self, results: Any) -> None:
        self.results |= {host: result for host, _, result in results}

    async def settle_states(self, *_: Any) -> None: ...

    async def apply_stimulus(self, _run: int, stimulus: Any) -> None:
        self.ended.append(stimulus)

    async def judge(self, *, stop: WorkStop | None = None, is_active: bool = True, quiet_s: float = 9.0) -> bool:
        around = cast("Any", self)
        intake = SimpleNamespace(outcomes=SimpleNamespace(is_active=is_active, quiet_s=quiet_s))
        return await WorkJudge(around, queues=around, jobs=around, works=around).judge_work(
            cast("JobDocument", SimpleNamespace(uuid=JOB, tasks=("patch",))),
            self.work,
            self.workflow,
            NodeState.model_construct(key="b1-t1", status=NodeStatus.WAITING),
            intake=cast("Any", intake),
            stop=stop,
        )


@pytest.mark.parametrize("stop", [CANCELED, LATE, None])
async def test_a_work_goes_on_while_an_outcome_may_come(stop: WorkStop | None) -> None:
    around = Around()
    around.has_outcomes = True
    assert not await around.judge(stop=stop)
    around.has_outcomes = False
    assert not await around.judge(stop=stop, is_active=False)
    assert not await around.judge(stop=stop, quiet_s=1.0)
    assert (around.results, around.ended) == ({}, [])
    assert await around.judge(stop=stop)
    assert len(around.ended) == 1


async def test_a_cancellation_doubts_the_hosts_that_are_fed_and_an_abort_all() -> None:
    canceled, aborted = Around(), Around()
    await canceled.judge(stop=CANCELED)
    await aborted.judge()
    assert list(canceled.results) == [name_host(JOB, 0)]
    assert list(aborted.results) == [name_host(JOB, place) for place in (0, 1)]
    (doubtful,) = canceled.results.values()
    assert (doubtful.state, doubtful.is_doubtful) == (HostState.ERROR, True)
    assert "in doubt: the job was canceled" in doubtful.reason


async def test_out_of_time_a_host_that_a_worker_may_have_had_is_in_doubt_and_the_others_say_that_no_worker_came() -> (
    None
):
    late, unordered = Around(), Around()
    unordered.n_ordered = 0
    await late.judge(stop=LATE)
    await unordered.judge(stop=LATE)
    assert [(each.state, each.is_doubtful, each.reason) for each in late.results.values()] == [
        (HostState.ERROR, True, "in doubt: late"),
        (HostState.ERROR, False, "no task ran: late"),
    ]
    assert {each.reason for each in unordered.results.values()} == {"no task ran: late"}


async def test_a_canceled_job_whose_workers_were_never_ordered_has_no_host_in_doubt() -> None:
    canceled = Around()
    canceled.n_ordered = 0
    await canceled.judge(stop=CANCELED)
    assert canceled.results == {}


@pytest.mark.parametrize("stop", [CANCELED, LATE])
async def test_a_host_that_was_fed_is_in_doubt_if_the_documents_of_its_workflow_are_gone(stop: WorkStop) -> None:
    around = Around()
    around.n_ordered, around.workflow = 0, None
    await around.judge(stop=stop)
    fed = around.results[name_host(JOB, 0)]
    assert (fed.state, fed.is_doubtful) == (HostState.ERROR, True)
    assert "in doubt" in fed.reason
