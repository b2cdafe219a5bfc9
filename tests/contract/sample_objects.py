"""The objects of which the samples are made: one workflow, one run, one subscription."""

from datetime import UTC, datetime
from uuid import UUID

from schemas.engine.graph import Definition, Node, NodeKind, RetryPolicy, WaitKind, WaitSpec, make_chain
from schemas.engine.subscriptions import (
    ProductDocument,
    SubscriptionDocument,
    SubscriptionLifecycle,
)
from schemas.events import (
    TaskOrder,
)
from schemas.fleet.objects import WorkerConfig
from schemas.fleet.pilot_kills import PilotKill
from schemas.ids import (
    DefinitionHash,
    Mqid,
    NodeKey,
    RunId,
    RunUuid,
    TaskforceUuid,
    TaskId,
    WorkflowId,
)

WORKFLOW = WorkflowId("WF-6b00e09f-926a610b")


TASK = TaskId("TK-6b00e09f-926a610b-485d2fc0")


TASKFORCE = TaskforceUuid("TF-6b00e09f-926a610b-485d2fc0-57c5a8e4")


#: The subject of another site's WMS.
SITE = "wms.example.org"


HITS = Mqid("a72475165e05b4f83a948")


TRACKS = Mqid("a0b1c2d3e4f5061728394")


SCHEDD = "grid-submitter.example.org"


AT = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)


KILL = PilotKill(worker=3, slot="slot1_2@node7", at=AT)


WORKER = WorkerConfig(
    do_transfer_worker_stdouterr=True,
    max_worker_runtime=7200,
    n_cores=1,
    priority=50,
    worker_disk="2G",
    worker_memory=536870912,
    condor_requirements="HasAVX2 =?= true",
)


ORDER = TaskOrder(
    task_id=TASK,
    task_image="/cvmfs/example.org/reco-2.0",
    task_args="reco --in {{INFILE}} --out {{OUTFILE}}",
    task_env={"SEED": "7"},
    init_image="/cvmfs/example.org/fetch-1.1",
    init_args="fetch-geo {{DATA_HUB}}/geo.gz",
    init_env={},
    input_queues=[HITS],
    output_queues=[TRACKS],
)


RUN = RunId(212)


RUN_UUID = RunUuid("0d3c7f4e-52c1-4a77-9c55-6a2f8e3b9a10")


CHILD_UUID = RunUuid("8f7b0c1d-2e3f-5a4b-8c6d-7e9f0a1b2c3d")


DEFINITION_HASH = DefinitionHash("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")


ENROLLMENT = Definition(
    name="create_node_enrollment",
    graph=make_chain(
        (
            Node(key=NodeKey("0"), name="Construct subscription", function="construct_subscription"),
            Node(
                key=NodeKey("1"),
                name="Provision",
                function="provision",
                timeout_s=3600,
                retry=RetryPolicy(attempts=5, first_s=10),
                opens=2,
            ),
            Node(
                key=NodeKey("2"),
                name="Await the device",
                kind=NodeKind.WAIT,
                wait=WaitSpec(kind=WaitKind.CALLBACK, result_key="callback_result", timeout_s=86400),
            ),
        )
    ),
    code="c0de",
    description="Create a node enrollment",
    target="CREATE",
    tag="NODE",
    search_phrase="Node Enrollment%",
    has_form=True,
)


PRODUCT = ProductDocument(
    product_id=UUID("0f3a6b7c-1d2e-5f40-8a5b-6c7d8e9f0a1b"),
    name="Node Enrollment",
    tag="NODE",
    product_type="Node",
    fixed_inputs={"speed": 1000},
)


SUBSCRIPTION = SubscriptionDocument(
    subscription_id=UUID("5ab7c0de-2b3c-5d4e-9f60-718293a4b5c6"),
    product=PRODUCT,
    customer_id="nordic",
    description="ams-1",
    status=SubscriptionLifecycle.PROVISIONING,
    insync=True,
    start_date=AT,
    version=3,
    values={
        "node": {
            "product_block_name": "Node",
            "subscription_instance_id": "77a1c0de-2b3c-5d4e-9f60-718293a4b5c6",
            "owner_subscription_id": "5ab7c0de-2b3c-5d4e-9f60-718293a4b5c6",
            "node_name": "ams-1",
        }
    },
)
