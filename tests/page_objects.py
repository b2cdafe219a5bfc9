"""Real objects for pictures of the web page: a tree whose run waits, a process, a catalogue task, a job on hosts."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local.servers.mongo_accounts import ADMIN
from deploy.local.system.stack import Stack
from deploy.local.system.wiring import EXAMPLES_DIRECTORY
from ewms import Client
from runtime.kernel.store import Store
from tests.ready_tasks import add_ready_tasks
from tests.waiting import wait_until

_PATIENCE_S = 120


def make_objects(stack: Stack) -> dict[str, str]:
    """Make the objects, and return their addresses on the page, by the names of their pictures."""
    endpoints = stack.list_endpoints()
    with Client(stack.gateway, token=endpoints["tokens"]["org-admin"], cluster="local", timeout=60) as admin:
        return {**_make_tree(admin, endpoints), **_make_process(admin), **_make_job(admin, stack)}


def _make_tree(admin: Client, endpoints: dict[str, object]) -> dict[str, str]:
    """Launch the release of docs/examples, and wait until its approval waits."""
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "endpoints.json"
        file.write_text(json.dumps(endpoints))
        program = [sys.executable, str(EXAMPLES_DIRECTORY / "release" / "set_up.py")]
        made = subprocess.run(
            program,
            env={**os.environ, "EWMS_ENDPOINTS": str(file)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=_PATIENCE_S,
        )
    template = int(made.stdout)
    rule = "DTSTART;TZID=Europe/Berlin:20260101T023000 RRULE:FREQ=DAILY"
    admin.trees.schedules.add(str(template), "nightly", rule, variables={"version": "nightly"})
    run = admin.trees.launch(str(template), variables={"version": "1.0"})
    wait_until(lambda: "waiting" in {node["status"] for node in run.show()["graph"]["nodes"]}, within_s=_PATIENCE_S)
    page = f"#/trees/templates/{template}"
    return {
        "tree-graph": page,
        "tree-launch": f"{page}?tab=launch",
        "tree-schedules": f"{page}?tab=schedules",
        "tree-run": f"#/trees/runs/{run.id}",
        "approvals": "#/trees?tab=approvals",
    }


def _make_process(admin: Client) -> dict[str, str]:
    """Return the addresses of the process and of its subscription."""
    process, subscription = enroll_node(admin)
    return {"process": f"#/processes/{process}", "subscription": f"#/processes/subscriptions/{subscription}"}


def enroll_node(admin: Client) -> tuple[str, str]:
    """Enroll a node with the example, and return the ids of the process and of its subscription."""
    [product] = [str(each.product_id) for each in admin.subscriptions.products() if each.name == "Node Enrollment"]
    pages = [{"product": product}, {"organisation": "default", "select_node": "ams-1"}]
    process = admin.processes.start("create_node_enrollment", pages=pages)
    seen = process.wait(timeout=_PATIENCE_S)
    [subscription] = seen.subscription_ids
    return str(process.id), str(subscription)


def _make_job(admin: Client, stack: Stack) -> dict[str, str]:
    """Run a catalogue task on the hosts of an inventory."""
    [task] = asyncio.run(_add_task(stack.services.mongodb.url(ADMIN)))
    inventory = admin.inventories.create("rack", content="[web]\nweb[1:4]\n[db]\ndb1 role=primary\n", form="ini")
    job = admin.jobs.start({"task": task, "inventory": inventory["id"]})
    wait_until(lambda: admin.jobs.show(job.id).status != "pending", within_s=_PATIENCE_S)
    return {
        "task": f"#/catalogue/tasks/{task}",
        "job": f"#/catalogue/jobs/{job.id}",
        "inventory": f"#/catalogue/inventories/{inventory['id']}",
    }


async def _add_task(url: str) -> list[int]:
    store = await Store.connect(url, database="WMS_DB", source="ewms/pictures")
    try:
        return [*await add_ready_tasks(store, ["patch"], image="/images/patch", command=["patch-host"])]
    finally:
        await store.close()
