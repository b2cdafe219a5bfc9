"""Enroll network nodes: a product, its models, and the five workflows that move its subscriptions.

    create_node_enrollment      ──► provisioning    the node is known to the controller, and its service runs
    provision_node_enrollment   ──► active          the node carries customers
    validate_node_enrollment                        a check: is everything as the subscription says?
    modify_node_enrollment                          another routing domain
    terminate_node_enrollment   ──► terminated      device and service are gone

Run it: README.md.
"""

from uuid import UUID, uuid4

import fake_network

from ewms.steps import (
    SUBSCRIPTION_MODEL_REGISTRY,
    WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS,
    WF_USABLE_MAP,
    Choice,
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

TAG = "NodeEnrollment"
PRODUCT = "Node Enrollment"


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


# Create


def initial_input_form_generator(product_name: str) -> FormGenerator:
    names = fake_network.list_nodes()

    class NodeForm(FormPage):
        organisation: UUIDstr
        select_node: Choice("Node", list(zip(names, names, strict=True)))  # type: ignore[valid-type]  # made at run time
        role_id: str = "core"

    user_input = yield NodeForm
    return user_input.model_dump()


@step("Construct Node Enrollment model")
def construct_node_enrollment_model(product: UUIDstr, organisation: UUIDstr, select_node: str, role_id: str) -> State:
    node = fake_network.find_node(select_node)
    subscription = NodeEnrollmentInactive.from_product_id(
        product_id=product, customer_id=organisation, status=SubscriptionLifecycle.INITIAL
    )
    subscription.ne.esdb_node_id = node["id"]
    subscription.ne.esdb_node_uuid = node["uuid"]
    subscription.ne.nso_service_id = uuid4()
    subscription.ne.routing_domain = "metro"
    subscription.description = f"Node {select_node} Initial Subscription"
    return {
        "subscription": subscription,
        "subscription_id": subscription.subscription_id,
        "subscription_description": subscription.description,
        "role": f"{role_id}-{select_node.split('-', maxsplit=1)[0]}",
    }


@step("Add the device")
def add_device(select_node: str, role: str) -> None:
    fake_network.add_device(select_node, role)


@step("Create the service")
def create_service(subscription: NodeEnrollmentInactive, select_node: str) -> None:
    fake_network.create_service(str(subscription.ne.nso_service_id), select_node)


@step("Update subscription name with node info")
def update_subscription_name_and_description(subscription: NodeEnrollmentInactive, select_node: str) -> State:
    provisioning = change_lifecycle(subscription, SubscriptionLifecycle.PROVISIONING)
    provisioning.description = f"Node {select_node} Provisioned (without system service)"
    return {"subscription": provisioning}


@create_workflow(
    "Create Node Enrollment", initial_input_form=initial_input_form_generator, status=SubscriptionLifecycle.PROVISIONING
)
def create_node_enrollment() -> StepList:
    return (
        begin
        >> construct_node_enrollment_model
        >> store_process_subscription(Target.CREATE)
        >> add_device
        >> create_service
        >> update_subscription_name_and_description
    )


# On a subscription that is there


@step("Load initial state")
def load_initial_state(subscription_id: UUIDstr) -> State:
    subscription = NodeEnrollment.from_subscription(subscription_id)
    return {"subscription": subscription, "node_name": fake_network.name_node(subscription.ne.esdb_node_id)}


@step("Check NSO")
def check_nso(node_name: str) -> State:
    if fake_network.find_device(node_name) is None:
        raise AssertionError("Device not found in NSO")
    return {"check_nso": "OK"}


@validate_workflow("Validate Node Enrollment before production")
def validate_node_enrollment() -> StepList:
    return begin >> load_initial_state >> check_nso


@step("Activate Subscription")
def activate_subscription(subscription: NodeEnrollmentProvisioning, node_name: str) -> State:
    active = change_lifecycle(subscription, SubscriptionLifecycle.ACTIVE)
    active.description = f"Node {node_name} Production"
    return {"subscription": active}


@modify_workflow("Provision Node Enrollment")
def provision_node_enrollment() -> StepList:
    return begin >> load_initial_state >> check_nso >> activate_subscription


def modify_form_generator(subscription_id: UUIDstr) -> FormGenerator:
    subscription = NodeEnrollment.from_subscription(subscription_id)

    class DomainForm(FormPage):
        routing_domain: str = subscription.ne.routing_domain

    user_input = yield DomainForm
    return user_input.model_dump()


@step("Change the routing domain")
def change_routing_domain(subscription: NodeEnrollment, routing_domain: str) -> State:
    subscription.ne.routing_domain = routing_domain
    return {"subscription": subscription}


@modify_workflow("Modify Node Enrollment", initial_input_form=modify_form_generator)
def modify_node_enrollment() -> StepList:
    return begin >> load_initial_state >> change_routing_domain


@step("Load relevant subscription information")
def load_subscription_info(state: State) -> State:
    subscription = state["subscription"]
    return {"subscription": subscription, "node_name": fake_network.name_node(subscription["ne"]["esdb_node_id"])}


@step("Remove device and service")
def remove_node(state: State, node_name: str) -> None:
    fake_network.remove_node(node_name, state["subscription"]["ne"]["nso_service_id"])


@terminate_workflow("Terminate Node Enrollment subscription")
def terminate_node_enrollment() -> StepList:
    return begin >> load_subscription_info >> remove_node


# What the server knows of all this


for name, target, description in (
    ("create_node_enrollment", "CREATE", "Create Node Enrollment Service"),
    ("validate_node_enrollment", "SYSTEM", "Validate Node Enrollment before production"),
    ("provision_node_enrollment", "MODIFY", "Provision Node Enrollment"),
    ("modify_node_enrollment", "MODIFY", "Modify Node Enrollment"),
    ("terminate_node_enrollment", "TERMINATE", "Terminate Node Enrollment subscription"),
):
    register_workflow(name=name, target=target, description=description, tag=TAG, search_phrase="Node Enrollment%")

register_product(PRODUCT, tag=TAG, product_type="Node", description="A node of the network")
SUBSCRIPTION_MODEL_REGISTRY.update({PRODUCT: NodeEnrollment})

WF_USABLE_MAP.update(
    {
        "validate_node_enrollment": ["active", "provisioning"],
        "provision_node_enrollment": ["provisioning"],
        "modify_node_enrollment": ["active", "provisioning"],
    }
)
WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS.update({"modify_node_enrollment": True})
