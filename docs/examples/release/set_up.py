"""Create the templates of the release on the system of `make up`. A second call brings them up to date.

    python docs/examples/release/set_up.py

Run it where `.ewms/endpoints.json` is. It acts as the admin of the organization `default`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx2

ORGANIZATION = "default"
#: The cases of each suite. Each is one event for the suite's fleet workflow, and a task runs it on some worker.
SUITES = {
    "unit tests": ["parser", "storage", "pages"],
    "integration tests": ["sign in", "upload"],
    "document tests": ["tutorial"],
}
#: A case passes if it was given the package. A case that exits with another status than 0 fails its suite.
CASE = 'sh -ec \'grep -q app- "$1"; cp "$1" "$2"\' sh {{INFILE}} {{OUTFILE}}'
SURVEY = {
    "name": "Release",
    "description": "",
    "spec": [{"variable": "version", "question_name": "Which version?", "type": "text", "required": True}],
}


def describe_suite(cases: list[str], cluster: str) -> dict[str, Any]:
    """Return the work of a suite: a fleet workflow that runs each case as a task."""
    task = {
        "cluster_locations": [cluster],
        "task_image": "none",
        "task_args": CASE,
        "input_queue_aliases": ["cases"],
        "output_queue_aliases": ["passed"],
        "n_workers": 1,
        "worker_config": {
            "do_transfer_worker_stdouterr": True,
            "max_worker_runtime": 600,
            "n_cores": 1,
            "priority": 50,
            "worker_disk": "64M",
            "worker_memory": "64M",
        },
        "pilot_config": {"environment": {"_EWMS_PILOT_CONTAINER_PLATFORM": "none"}},
    }
    return {
        "kind": "fleet",
        "request": {"public_queue_aliases": ["cases", "passed"], "tasks": [task]},
        # WMS puts the artifact of the build in place of ${package}.
        "events": [{"case": case, "package": "${package}"} for case in cases],
        "timeout_s": 3600,
    }


def list_works(cluster: str) -> dict[str, dict[str, Any]]:
    """Return what each job template does, by its name."""
    suites = {name: describe_suite(cases, cluster) for name, cases in SUITES.items()}
    processes = {"build": "build_release", "deploy": "deploy_release", "roll back": "roll_back_release"}
    return suites | {name: {"kind": "process", "definition": each} for name, each in processes.items()}


class Templates:
    """The templates of one organization."""

    def __init__(self, gateway: str, token: str) -> None:
        self._http = httpx2.Client(
            base_url=f"{gateway}/api/v2", headers={"Authorization": f"Bearer {token}"}, timeout=60
        )

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request; return the answer's JSON, or end the program with the server's words."""
        answer = self._http.request(method, path, json=body)
        if not answer.is_success:
            sys.exit(f"{method} {path}: {answer.text}")
        return answer.json() if answer.content else None

    def put(self, kind: str, name: str, fields: dict[str, Any]) -> int:
        """Create a template of this name, or change it; return its id."""
        found = self._http.get(f"/{kind}/", params={"name": name, "organization__name": ORGANIZATION})
        rows = found.json()["results"] if found.is_success else sys.exit(found.text)
        path, method = (f"/{kind}/{rows[0]['id']}/", "PATCH") if rows else (f"/{kind}/", "POST")
        made = self.call(method, path, {"name": name, "organization": ORGANIZATION, **fields})
        return int(made["id"])


def set_up(gateway: str, token: str, cluster: str) -> int:
    """Create all templates, or bring them up to date. Return the id of the release's template."""
    templates = Templates(gateway, token)
    for name, work in list_works(cluster).items():
        templates.put("job_templates", name, {"work": work})
    tree = templates.put("workflow_job_templates", "release", {"topology": "dag", "survey_enabled": True})
    templates.call("POST", f"/workflow_job_templates/{tree}/survey_spec/", SURVEY)
    graph = Path(__file__).with_name("release.yaml").read_text()
    templates.call("PUT", f"/workflow_job_templates/{tree}/graph/", {"yaml": graph})
    return tree


if __name__ == "__main__":
    endpoints = json.loads(Path(os.environ.get("EWMS_ENDPOINTS", ".ewms/endpoints.json")).read_text())
    print(set_up(endpoints["gateway"], endpoints["tokens"]["org-admin"], endpoints["cluster"]))
