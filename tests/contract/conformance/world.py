"""The two sides of the contract that the tests play: callers of the gateway, and a TMS that works over REST."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from deploy.local.servers.issued_tokens import mint_token
from deploy.local.system.stack import Stack
from tests.waiting import wait_until

#: What stands in front of every route: both lead to the same.
PREFIXES = ("/v1", "/v0")

#: location -> schedd, as the contract's acceptance tests have them (3.6).
ALPHA, BETA = "test-alpha", "test-beta"
SCHEDD_OF = {ALPHA: "SCHEDD1", BETA: "SCHEDD2"}

CLAIMS: Mapping[str, Mapping[str, Any]] = {
    "user": {"groups": ["/tokens/ewms-dev"]},
    "auditor": {"ewms_role": "auditor"},
    "ops": {"ewms_role": "ops"},
    "system-tms": {"ewms_role": "system-tms"},
    "system-wms": {"ewms_role": "system-wms"},
}

#: Signing takes as long as a request.
_tokens: dict[str, str] = {}

_README = Path(__file__).parents[2] / "data" / "first-published-request.json"


def published_request() -> dict[str, Any]:
    """Return the body of the first published example, word for word: a v0 shape."""
    body: dict[str, Any] = json.loads(_README.read_text())
    return body


def request(**changes: Any) -> dict[str, Any]:
    """Return a full v1 body of one task between two public queues; `changes` go into the task."""
    task = {
        "cluster_locations": [ALPHA],
        "input_queue_aliases": ["in"],
        "output_queue_aliases": ["out"],
        "task_image": "/cvmfs/x/reco:2.0",
        "task_args": "reco --in {{INFILE}} --out {{OUTFILE}} --geo {{DATA_HUB}}/geo.gz",
        "task_env": {"SEED": "7"},
        "init_image": "/cvmfs/x/fetch:1.1",
        "init_args": "fetch-geo {{DATA_HUB}}/geo.gz",
        "init_env": {"GEO": "1"},
        "n_workers": 250,
        "worker_config": {
            "do_transfer_worker_stdouterr": True,
            "max_worker_runtime": 7200,
            "n_cores": 1,
            "priority": 50,
            "worker_disk": "2G",
            "worker_memory": 536870912,
            "condor_requirements": "",
        },
        "pilot_config": {
            "tag": "1.2.3",
            "environment": {"EWMS_PILOT_PREFETCH": 3, "LIST": ["a", "b"], "TEXT": "t"},
            "input_files": [],
            "image_source": "cvmfs",
        },
        **changes,
    }
    return {"public_queue_aliases": ["in", "out"], "priority": 60, "tasks": [task]}


@dataclass(frozen=True)
class Caller:
    """Somebody with a token, under one version's prefix."""

    http: httpx2.Client
    prefix: str
    headers: Mapping[str, str]

    def get(self, path: str, **query: str) -> httpx2.Response:
        return self.http.get(f"{self.prefix}{path}", params=query or None, headers=dict(self.headers))

    def post(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        """POST `body` as JSON; without one, `{}`, as existing clients do."""
        sent = {} if body is None else body
        return self.http.post(f"{self.prefix}{path}", json=sent, headers={**self.headers, **headers})


@dataclass
class World:
    """The running system and all that was made in one test, to be cleared away after it."""

    stack: Stack
    http: httpx2.Client
    prefix: str
    workflows: list[str] = field(default_factory=list)

    def caller(self, role: str, subject: str | None = None, **claims: Any) -> Caller:
        """Return somebody in `role`."""
        who = json.dumps([self.stack.issuer.url, role, subject, claims])
        if who not in _tokens:
            _tokens[who] = mint_token(self.stack.issuer, subject or role, {**CLAIMS.get(role, {}), **claims})
        return Caller(self.http, self.prefix, {"Authorization": f"Bearer {_tokens[who]}"})

    @property
    def user(self) -> Caller:
        """The user whose workflows these are."""
        return self.caller("user", "ada")

    @property
    def tms(self) -> Caller:
        """A TMS of the existing kind."""
        return self.caller("system-tms")

    def submit(self, body: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """Request a workflow as `user`, by default one that runs at `ALPHA`; return the answer."""
        made: dict[str, Any] = ok(self.user.post("/workflows", body or request(**changes)))
        self.workflows.append(made["workflow"]["workflow_id"])
        return made

    def started(self, **changes: Any) -> dict[str, Any]:
        """Request a workflow of one taskforce; return that once it waits for its TMS."""
        return self.in_phase(self.submit(**changes)["taskforces"][0]["taskforce_uuid"], "pending-starter")

    def submitted(self, **changes: Any) -> dict[str, Any]:
        """Request a workflow of one taskforce; return that once the TMS has said that it submitted it."""
        uuid = self.started(**changes)["taskforce_uuid"]
        ok(self.tms.post(f"/tms/condor-submit/taskforces/{uuid}", SUBMITTED))
        return self.taskforce(uuid)

    def taskforce(self, uuid: str) -> dict[str, Any]:
        """Return a taskforce as its owner sees it."""
        found: dict[str, Any] = ok(self.user.get(f"/taskforces/{uuid}"))
        return found

    def in_phase(self, uuid: str, phase: str) -> dict[str, Any]:
        """Return a taskforce once it is in `phase`."""
        # A look costs 10 ms of CPU, and the queues that the phase waits for take 300 ms and more.
        return wait_until(lambda: self.taskforce(uuid), lambda found: found["phase"] == phase, pause_s=0.15)

    def clear(self) -> None:
        """End all that was made, so that no TMS is offered it any more."""
        for workflow_id in self.workflows:
            self.user.post(f"/workflows/{workflow_id}/actions/abort")
            found = ok(self.user.post("/query/taskforces", {"query": {"workflow_id": workflow_id}}))["taskforces"]
            for taskforce in found:
                if taskforce["cluster_id"] is not None:
                    self.tms.post(
                        f"/tms/condor-complete/taskforces/{taskforce['taskforce_uuid']}",
                        {"condor_complete_ts": int(time.time())},
                    )


#: What a TMS says of a submit.
SUBMITTED: Mapping[str, Any] = {
    "cluster_id": 123456,
    "n_workers": 250,
    "submit_dict": {"universe": "container", "request_cpus": 1},
    "job_event_log_fpath": "/scratch/2026-11-21.tms.jel",
}


def ok(answer: httpx2.Response) -> Any:
    """Return what a good answer holds."""
    assert answer.status_code == 200, f"{answer.request.method} {answer.request.url}: {answer.text}"
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"
    return answer.json()


def refused(answer: httpx2.Response, code: int, error: str) -> None:
    """Assert that `answer` is the contract's error: this code and text, in the body and as the reason phrase."""
    assert (answer.status_code, answer.json()) == (code, {"code": code, "error": error})
    assert answer.reason_phrase == error
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"


def log(taskforce: Mapping[str, Any]) -> list[tuple[str, bool, str, str]]:
    """Return the lines of a taskforce's log: target, success, who, context."""
    return [
        (line["target_phase"], line["was_successful"], line["source_entity"], line["context"])
        for line in taskforce["phase_change_log"]
    ]
