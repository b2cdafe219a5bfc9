"""The answer to a request that the contract takes says what is wrong with it all the same."""

import json
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from runtime.web.answers.problems import HINT_HEADER, BadBody
from runtime.web.bodies import parse_body
from runtime.web.server.reason_phrases import MAX_REASON
from schemas.api.workflows.requests import WorkflowRequest
from tests.unit.schemas.checks.test_runnable import request
from tests.unit.wms.fleets import NOW
from wms.fleet.choices.locations import Location, LocationMap
from wms.fleet.choices.pilot_tags import PilotTags
from wms.fleet.fleet import SubmittedWorkflow
from wms.fleet.id_source import IdSource
from wms.fleet.life.workflow_requests import make_workflow
from wms.fleet.ownership import Owner
from wms.gateway.ewms.workflows.requests import WorkflowRoutes
from wms.tenancy.rights import Principal


class TakesAll:
    location_names = MappingProxyType({"here": "", "there": ""})
    max_queues = 40

    async def submit_workflow(self, request: WorkflowRequest, *_: object) -> SubmittedWorkflow:
        new = make_workflow(
            request,
            owner=Owner("ada"),
            locations=LocationMap({"here": Location(schedd="S1")}),
            tags=PilotTags(latest="1.2.3"),
            mint=IdSource(b"seed", NOW),
            now=NOW,
        )
        return SubmittedWorkflow({}, new.hint)


class NoOrganizations:
    async def find_principal(self, caller: Any) -> Principal:
        return Principal(caller.subject)


async def hint(**changes: Any) -> str | None:
    caller = SimpleNamespace(subject="ada", projects=())
    call: Any = SimpleNamespace(body=request(**changes), caller=caller, once=None)
    absent: Any = None
    fleet: Any = TakesAll()
    organizations: Any = NoOrganizations()
    return (await WorkflowRoutes(fleet, absent, absent, organizations).request_workflow(call)).headers.get(HINT_HEADER)


def refused(**changes: Any) -> tuple[str, str]:
    """Return the answer and the hint to a request whose task has `changes`."""
    body = request().model_dump(mode="json")
    body["tasks"][0] |= changes
    absent: Any = None
    fleet: Any = TakesAll()
    (route,) = [
        r
        for r in WorkflowRoutes(fleet, absent, absent, absent).routes()
        if (r.method, r.path) == ("POST", "/workflows")
    ]
    with pytest.raises(BadBody) as caught:
        parse_body(json.dumps(body).encode(), "application/json", WorkflowRequest, explain=route.explain)
    return caught.value.reason, caught.value.hint


def test_a_wrong_shape_hides_no_wrong_cluster_no_limit_and_no_placeholder() -> None:
    answer, hint = refused(
        n_workers=0, cluster_locations=["her"], task_args="cp {{INFIEL}} x", input_queue_aliases="in"
    )
    assert answer == (
        "'tasks.0.input_queue_aliases': is not of type 'array'; 'tasks.0.n_workers': must be at least 1; "
        "'tasks.0.cluster_locations': condor cluster location not found: her"
    )
    assert hint.split("; '") == [
        "'tasks.0.input_queue_aliases': is the text 'in', and must be a list of names; write [\"in\"]",
        "tasks.0.n_workers': is 0, and must be 1 or more; write it like 10",
        (
            "tasks.0.cluster_locations': EWMS has no cluster 'her'; did you mean 'here'? "
            "cluster locations: here, there; all of them: ewms cluster list"
        ),
        "tasks.0.task_args': {{INFIEL}} stays unchanged, because it is not a placeholder; did you mean {{INFILE}}?",
    ]


def test_a_hint_has_whole_complaints_and_the_number_of_the_others() -> None:
    _, hint = refused(task_env={f"A{n}": n for n in range(100)})
    assert len(hint) <= MAX_REASON
    assert hint.endswith(" more")
    assert "write it in quotes" in hint.rsplit("; and ", 1)[0].rsplit(";", 1)[1]


async def test_the_hint_of_a_misspelt_alias_names_the_nearest_known_one_once() -> None:
    told = await hint(input_queue_aliases=["inn"], public=["in", "out"])
    assert told is not None
    assert told.count("did you mean 'in'?") == 1
    assert told.startswith("'tasks.0.input_queue_aliases': no task writes to the private queue 'inn'")


async def test_a_right_request_has_no_hint() -> None:
    assert await hint() is None


async def test_all_that_is_wrong_stands_in_the_hint() -> None:
    told = await hint(task_args="echo '{{INFIEL}}", pilot={"EWMS_PILOT_TASK_TIMEOUT": "10m"}, public=["in"])
    assert told is not None
    for word in ("close the quotation mark", "did you mean {{INFILE}}?", "EWMS_PILOT_TASK_TIMEOUT", "queue 'out'"):
        assert word in told
