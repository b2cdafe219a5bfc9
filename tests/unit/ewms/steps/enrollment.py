"""The first seed's node enrollment, as its text has it: step functions, decorators, registrations and settings.

Only the imports are ours, and what the text leaves to its reader is filled in: the models, the form, the `...` of the
step list, and `map_role`, `get_device` and `get_detailed_node`, which are the user's own functions. What those say
comes from `WORLD`.
"""

from typing import Any
from uuid import UUID, uuid4

from ewms.steps import (
    SUBSCRIPTION_MODEL_REGISTRY,
    WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS,
    WF_USABLE_MAP,
    WF_USABLE_WHILE_OUT_OF_SYNC,
    FormGenerator,
    FormPage,
    ProductBlockModel,
    State,
    StepList,
    SubscriptionLifecycle,
    SubscriptionModel,
    Target,
    UUIDstr,
    begin,
    change_lifecycle,
    create_workflow,
    modify_workflow,
    register_product,
    register_workflow,
    step,
    store_process_subscription,
    terminate_workflow,
    validate_workflow,
)

CUSTOMER = "3f6b2c1a-5b0e-4b5e-8c2e-0a1b2c3d4e5f"

#: What the systems outside say.
WORLD: dict[str, Any] = {"do_z": lambda: None, "device": {"name": "ams-1"}, "calls": []}


def map_role(role_id: str, select_node: str) -> str:
    return f"{role_id}-{select_node}"


def get_device(device_name: str) -> Any:
    return WORLD["device"]


def get_detailed_node(esdb_node_id: int) -> dict[str, Any]:
    return {"id": esdb_node_id, "name": f"node-{esdb_node_id}"}


def do_x() -> None:
    WORLD["calls"].append("x")


def do_y() -> None:
    WORLD["calls"].append("y")


def do_z() -> None:
    WORLD["do_z"]()
    WORLD["calls"].append("z")


class NodeEnrollmentBlockInactive(ProductBlockModel, product_block_name="Node Enrollment"):
    esdb_node_id: int | None = None
    esdb_node_uuid: str | None = None
    nso_service_id: UUID | None = None
    routing_domain: str | None = None


class NodeEnrollmentBlockProvisioning(NodeEnrollmentBlockInactive, lifecycle=[SubscriptionLifecycle.PROVISIONING]):
    esdb_node_id: int
    esdb_node_uuid: str
    nso_service_id: UUID
    routing_domain: str


class NodeEnrollmentBlock(NodeEnrollmentBlockProvisioning, lifecycle=[SubscriptionLifecycle.ACTIVE]):
    pass


class NodeEnrollmentInactive(SubscriptionModel, is_base=True):
    ne: NodeEnrollmentBlockInactive


class NodeEnrollmentProvisioning(NodeEnrollmentInactive, lifecycle=[SubscriptionLifecycle.PROVISIONING]):
    ne: NodeEnrollmentBlockProvisioning


class NodeEnrollment(NodeEnrollmentProvisioning, lifecycle=[SubscriptionLifecycle.ACTIVE]):
    ne: NodeEnrollmentBlock


def initial_input_form_generator(product_name: str) -> FormGenerator:
    class NodeForm(FormPage):
        organisation: UUIDstr
        esdb_node_id: int
        select_node: str
        url: str
        uuid: str
        role_id: str

    user_input = yield NodeForm
    return user_input.model_dump()


@step("Construct Node Enrollment model")
def construct_node_enrollment_model(
    product: UUIDstr, organisation: UUIDstr, esdb_node_id: int, select_node: str, url: str, uuid: str, role_id: str
) -> State:
    subscription = NodeEnrollmentInactive.from_product_id(
        product_id=product, customer_id=organisation, status=SubscriptionLifecycle.INITIAL
    )

    subscription.ne.esdb_node_id = esdb_node_id
    subscription.description = f"Node {select_node} Initial Subscription"
    subscription.ne.esdb_node_uuid = uuid
    subscription.ne.nso_service_id = uuid4()
    subscription.ne.routing_domain = "esnet-293"

    role = map_role(role_id, select_node)
    site_id = select_node.split("-")[0]  # noqa: PLC0207 - location short name, as the text has it

    return {
        "subscription": subscription,
        "subscription_id": subscription.subscription_id,
        "subscription_description": subscription.description,
        "role": role,
        "site_id": site_id,
    }


@step("Do things rather than thing")
def do_things(subscription: NodeEnrollmentProvisioning):  # type: ignore[no-untyped-def]  # as the text has it
    do_x()

    do_y()

    do_z()

    return {"subscription": subscription}


@step("Update subscription name with node info")
def update_subscription_name_and_description(subscription: NodeEnrollmentProvisioning, select_node: str) -> State:
    subscription = change_lifecycle(subscription, SubscriptionLifecycle.PROVISIONING)
    subscription.description = f"Node {select_node} Provisioned (without system service)"

    return {"subscription": subscription}


@create_workflow(
    "Create Node Enrollment", initial_input_form=initial_input_form_generator, status=SubscriptionLifecycle.PROVISIONING
)
def create_node_enrollment() -> StepList:
    return (
        begin
        >> construct_node_enrollment_model
        >> store_process_subscription(Target.CREATE)
        >> do_things
        >> update_subscription_name_and_description
    )


@step("Load initial state")
def load_initial_state(subscription_id: UUIDstr) -> State:
    subscription = NodeEnrollment.from_subscription(subscription_id)

    return {
        "subscription": subscription,
    }


@step("Load node name")
def load_node_name(subscription: NodeEnrollment) -> State:
    assert subscription.ne.esdb_node_id is not None
    return {"node_name": get_detailed_node(subscription.ne.esdb_node_id)["name"]}


@step("Check NSO")
def check_nso(subscription: NodeEnrollment, node_name: str) -> State:
    device = get_device(device_name=node_name)

    if device is None:
        raise AssertionError(f"Device not found in NSO")  # noqa: F541 - as the text has it
    return {"check_nso": "OK"}


@validate_workflow("Validate Node Enrollment before production")
def validate_node_enrollment() -> StepList:
    return begin >> load_initial_state >> load_node_name >> check_nso


@step("Activate Subscription")
def update_subscription_and_description(subscription: NodeEnrollmentProvisioning, node_name: str) -> State:
    subscription = change_lifecycle(subscription, SubscriptionLifecycle.ACTIVE)
    subscription.description = f"Node {node_name} Production"

    return {"subscription": subscription}


@modify_workflow("Provision Node Enrollment")
def provision_node_enrollment() -> StepList:
    return begin >> load_initial_state >> load_node_name >> update_subscription_and_description


@modify_workflow("Modify Node Enrollment")
def modify_node_enrollment() -> StepList:
    return begin >> load_initial_state


@step("Load relevant subscription information")
def load_subscription_info(state: State) -> FormGenerator:
    subscription = state["subscription"]
    node = get_detailed_node(subscription["ne"]["esdb_node_id"])
    return {"subscription": subscription, "node_name": node.get("name")}  # type: ignore[return-value]  # as the text has it


@terminate_workflow("Terminate Node Enrollment subscription")
def terminate_node_enrollment() -> StepList:
    return begin >> load_subscription_info


params_create = dict(  # noqa: C408 - as the text has it
    name="create_node_enrollment",
    target="CREATE",
    description="Create Node Enrollment Service",
    tag="NodeEnrollment",
    search_phrase="Node Enrollment%",
)
params_validate = dict(  # noqa: C408 - as the text has it
    name="validate_node_enrollment",
    target="SYSTEM",
    description="Validate Node Enrollment before production",
    tag="NodeEnrollment",
    search_phrase="Node Enrollment%",
)
params_modify = dict(  # noqa: C408 - as the text has it
    name="modify_node_enrollment",
    target="MODIFY",
    description="Modify Node Enrollment",
    tag="NodeEnrollment",
    search_phrase="Node Enrollment%",
)
params_provision = params_modify | {"name": "provision_node_enrollment", "description": "Provision Node Enrollment"}
params_terminate = dict(  # noqa: C408 - as the text has it
    name="terminate_node_enrollment",
    target="TERMINATE",
    description="Terminate Node Enrollment subscription",
    tag="NodeEnrollment",
    search_phrase="Node Enrollment%",
)


def register_enrollment() -> str:
    """Register the product and all workflows, as migrations would, and return the product's id."""
    for params in (params_create, params_validate, params_modify, params_provision, params_terminate):
        register_workflow(**params)
    SUBSCRIPTION_MODEL_REGISTRY.update({"Node Enrollment": NodeEnrollment})
    return str(register_product("Node Enrollment", tag="NodeEnrollment", product_type="Node").product_id)


def set_execution_parameters() -> None:
    """Set what the text's `workflows/__init__.py` sets."""
    WF_USABLE_MAP.update(
        {
            "validate_node_enrollment": ["active", "provisioning"],
            "provision_node_enrollment": ["active", "provisioning"],
            "modify_node_enrollment": ["provisioning"],
        }
    )
    WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS.update({"modify_node_enrollment": True})
    WF_USABLE_WHILE_OUT_OF_SYNC.extend(["modify_description"])
