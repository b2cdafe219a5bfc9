"""Ways in for scripts: each variable that `make up` takes, on the running system, and databases that are emptied."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt
import pytest
from pymongo import MongoClient
from pymongo.database import Database as AnyDatabase

from deploy.local.errors import LaunchError
from deploy.local.fetch.cache import Installed
from deploy.local.files.run_directory import run_directory
from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from ewms import Client, Workflow
from ewms.client import Run
from schemas.fleet.phases import Phase
from tests.system.conftest import DOCUMENT, one_task, plain_environment, shell_task
from tests.waiting import wait_until
from wms.fleet.repository import INDEXES

Database = AnyDatabase[dict[str, Any]]


@pytest.fixture
def http(chosen: Stack) -> Iterator[httpx2.Client]:
    """The gateway, asked without any header of ours."""
    with httpx2.Client(base_url=f"{chosen.gateway}/v1", timeout=60) as client:
        yield client


def posted(http: httpx2.Client, location: str, **pilot: Any) -> dict[str, Any]:
    """Return the workflow of one task that was made at `location`."""
    body = one_task("tr a-z A-Z < $1 > $2", n_workers=1).request([location])
    body["tasks"][0]["cluster_locations"] = [location]
    body["tasks"][0]["pilot_config"] |= pilot
    answer = http.post("/workflows", json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def over(run: Run) -> None:
    run.finish()
    run.wait("over", timeout="60s").raise_for_failures()


def test_without_authentication_a_workflow_goes_its_whole_way_where_the_variables_say(
    chosen: Stack, choices: dict[str, str], http: httpx2.Client, ews: Client
) -> None:
    made = posted(http, "here")
    assert made["taskforces"][0]["pilot_config"]["tag"] == "1.10.0", "the highest version in the image directory"
    run = ews.run(made["workflow"]["workflow_id"])
    with run.queue("in").publisher(active_timeout=60) as publisher:
        for word in ("one", "two"):
            publisher.send(word)
    assert sorted(event.body for event in run.queue("out").results(n=2, idle_timeout=60)) == ["ONE", "TWO"]

    profile = run.queue("in").profile()
    assert profile.broker_address == choices["EWMS_BROKER_ADDRESS"]
    public_key = Path(choices["EWMS_BROKER_PUBLIC_KEY_FILE"]).read_bytes()
    assert jwt.get_unverified_header(profile.auth_token or "")["kid"] == hashlib.sha512(public_key).hexdigest()
    over(run)

    endpoints = chosen.list_endpoints()
    assert endpoints["gateway"] == f"http://127.0.0.1:{choices['EWMS_GATEWAY_PORT']}"
    assert endpoints["amqp"] == f"amqp://127.0.0.1:{choices['EWMS_AMQP_PORT']}/ewms"


@pytest.mark.parametrize("system", ["stack", "chosen"])
def test_scripts_find_everything_in_the_endpoints(system: str, request: pytest.FixtureRequest) -> None:
    endpoints = request.getfixturevalue(system).list_endpoints()
    assert {"gateway", "token", "amqp", "mongo", "condor_config"} <= endpoints.keys()
    bearer = {"Authorization": f"Bearer {endpoints['token']}"}
    assert httpx2.get(f"{endpoints['gateway']}/v1/", headers=bearer).json() == {}
    with MongoClient[dict[str, Any]](endpoints["mongo"]) as mongo:
        assert "WMS_DB" in mongo.list_database_names()
    if system == "stack":
        assert Path(endpoints["condor_config"]).is_file()
        assert urlsplit(endpoints["mongo"]).password
    else:
        assert endpoints["condor_config"] is None
        assert list(endpoints["tms"]) == ["far.example.org"]
        assert urlsplit(endpoints["mongo"]).username is None, "suites that bring no password need none"


def test_a_pilot_image_that_is_not_there_is_refused(http: httpx2.Client) -> None:
    body = one_task("cp $1 $2").request(["here"])
    body["tasks"][0]["pilot_config"]["tag"] = "1.8.0"
    answer = http.post("/workflows", json=body)
    assert answer.status_code == 400
    assert "Pilot image tag not found" in answer.json()["error"]


def test_an_operators_document_is_served_in_place_of_ours(chosen: Stack, http: httpx2.Client) -> None:
    assert http.get("/schema/openapi").json() == DOCUMENT
    ours = http.get("/mqs/schema/openapi").json()
    assert ours["info"]["title"] == "EWMS"
    assert httpx2.get(f"{chosen.gateway}/docs/openapi.json").json() == ours


def test_a_schedd_is_served_over_rest_as_the_clusters_file_says_under_an_alias_too(http: httpx2.Client) -> None:
    (taskforce,) = posted(http, "GRID")["taskforces"]
    uuid, schedd = taskforce["taskforce_uuid"], "grid.example.org"
    assert taskforce["schedd"] == schedd
    wait_until(lambda: http.get(f"/taskforces/{uuid}").json()["phase"], lambda phase: phase == Phase.PENDING_STARTER)
    offered = http.get("/tms/pending-starter/taskforces", params={"schedd": schedd}).json()
    assert offered["taskforce"]["taskforce_uuid"] == uuid
    assert http.post(f"/workflows/{taskforce['workflow_id']}/actions/abort").status_code == 200


@pytest.mark.parametrize("name", ["EWMS_GATEWAY_PORT", "EWMS_AMQP_PORT"])
def test_a_port_that_is_taken_is_named(name: str, installed: Installed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with (
            run_directory() as run,
            pytest.raises(LaunchError, match=f"{name} is {port}, and the launcher cannot listen on that port"),
            running_stack(installed, run, pool="local", environment=plain_environment() | {name: port}),
        ):
            pytest.fail("it started")


def documents(database: Database) -> None:
    for name in database.list_collection_names():
        database[name].delete_many({})


def collections(database: Database) -> None:
    for name in database.list_collection_names():
        database.drop_collection(name)


def databases(database: Database) -> None:
    database.client.drop_database(database.name)


def test_databases_that_are_emptied_again_and_again_under_workflows_wedge_nothing(chosen: Stack, ews: Client) -> None:
    # More workers in all than the pool has slots: those of the gone workflows have to leave.
    task = shell_task("sleep 0.1; cp $1 $2", inputs=["in"], outputs=["out"], n_workers=4)
    with MongoClient[dict[str, Any]](chosen.services.mongodb.url(ADMIN)) as mongo:
        for empty in (documents, collections, databases):
            run = ews.submit(Workflow(public=["in", "out"], tasks=[task]))
            with run.queue("in").publisher(active_timeout=60) as publisher:
                for number in range(20):
                    publisher.send(str(number))
            assert len([*run.queue("out").results(n=5, idle_timeout=60)]) == 5
            for name in ("WMS_DB", "MQS_DB"):
                empty(mongo[name])
        run = ews.submit(one_task("cp $1 $2", n_workers=1))
        with run.queue("in").publisher(active_timeout=60) as publisher:
            publisher.send("after")
        assert [event.body for event in run.queue("out").results(n=1, idle_timeout=60)] == ["after"]
        over(run)
        for collection, wanted in INDEXES.items():
            # The one of `_id` is MongoDB's own.
            n = len(wanted) + 1
            wait_until(mongo["WMS_DB"][collection].index_information, lambda found, n=n: len(found) == n)
    logged = (chosen.logs / "wms.log").read_text()
    assert "statuses of an unknown taskforce" in logged
    assert not any("Traceback" in (chosen.logs / f"{name}.log").read_text() for name in ("wms", "mqs", "tms"))
