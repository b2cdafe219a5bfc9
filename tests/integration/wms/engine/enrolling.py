"""The first seed's node enrollment as a worker's module. What the world outside does is read from a file of the test.

{"do_z": "fail"}     the last act of a step raises
{"do_z": "wait"}     it waits for as long as the file says so
"""

import json
import os
import time
from pathlib import Path

from ewms.steps import State, StepList, begin, find_subscriptions, get_product_by_name, step, task
from ewms.steps.models.queries import values_in_use
from tests.unit.ewms.steps import enrollment


def register_all() -> None:
    """Register the product and the workflows, and set what the seed's text sets."""
    enrollment.register_enrollment()
    enrollment.set_execution_parameters()


if "EWMS_WORKER_MODULES" in os.environ:
    # A worker of its own. In the test's process the registrations go with the test.
    register_all()


def read_world() -> dict[str, str]:
    """Return what the test says of the world."""
    found: dict[str, str] = json.loads(Path(os.environ["WORLD"]).read_text())
    return found


def do_z() -> None:
    """Do the last thing of a step."""
    with Path(os.environ["DIARY"]).open("a") as diary:
        diary.write("z\n")
    while read_world().get("do_z") == "wait":
        time.sleep(0.02)
    if read_world().get("do_z") == "fail":
        raise RuntimeError("z is away")


enrollment.WORLD["do_z"] = do_z


@step("Look around")
def look_around(esdb_node_id: int, subscription_id: str) -> State:
    """Ask for what did not come with the step."""
    product = get_product_by_name("Node Enrollment")
    nodes = find_subscriptions(product_type="Node", field="esdb_node_id", value=esdb_node_id)
    own = enrollment.NodeEnrollmentProvisioning.from_subscription(nodes[0].subscription_id)
    return {
        "product": str(product.product_id),
        "nodes": [str(one.subscription_id) for one in nodes],
        "uuid": own.ne.esdb_node_uuid,
        "in_use": values_in_use(subscription_id, "vlan"),
    }


@task("Look around")
def look_around_nodes() -> StepList:
    """Read subscriptions that no process of this one has to do with."""
    return begin >> look_around
