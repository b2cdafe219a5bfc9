from orchestrator import begin, conditional, step
from orchestrator.config.assignee import Assignee
from orchestrator.forms import FormPage
from orchestrator.forms.validators import Choice, CustomerId, Divider, Label
from orchestrator.targets import Target
from orchestrator.types import SubscriptionLifecycle
from orchestrator.workflow import StepList, inputstep
from orchestrator.workflows.steps import store_process_subscription
from pydantic import ConfigDict
from pydantic_forms.types import FormGenerator, State, UUIDstr
from pydantic_forms.validators import read_only_field

from leased_ports.products.port import PortInactive, PortProvisioning
from leased_ports.workflows.shared import confirm_summary, create_port_workflow, tell_network


def initial_input_form_generator(product_name: str) -> FormGenerator:
    nodes = Choice("Node", [("ams-1", "ams-1"), ("chi-1", "chi-1")])

    class CreatePortForm(FormPage):
        model_config = ConfigDict(title=product_name)

        customer_id: CustomerId
        port_settings: Label
        divider: Divider
        node_name: nodes
        port_name: str
        vlan: int = 100

    user_input = yield CreatePortForm
    values = user_input.model_dump()
    yield from confirm_summary(values, ["node_name", "port_name", "vlan"])
    return values


@step("Construct the port")
def construct_port(product: UUIDstr, customer_id: UUIDstr, node_name: str, port_name: str, vlan: int) -> State:
    subscription = PortInactive.from_product_id(
        product_id=product, customer_id=customer_id, status=SubscriptionLifecycle.INITIAL
    )
    subscription.port.node_name = node_name
    subscription.port.port_name = port_name
    subscription.port.vlans[0].vlan = vlan
    subscription = PortProvisioning.from_other_lifecycle(subscription, SubscriptionLifecycle.PROVISIONING)
    subscription.description = f"Port {subscription.port.title}"
    return {"subscription": subscription, "subscription_id": subscription.subscription_id}


@inputstep("Confirm the cable", assignee=Assignee("NOC"))
def confirm_cable(subscription: PortProvisioning) -> FormGenerator:
    class CableForm(FormPage):
        port: read_only_field(subscription.port.title)
        patch: str

    user_input = yield CableForm
    return {"patch": user_input.patch}


needs_cable = conditional(lambda state: state["node_name"] == "ams-1")


@create_port_workflow("Create a leased port", initial_input_form=initial_input_form_generator)
def create_port() -> StepList:
    return (
        begin
        >> construct_port
        >> store_process_subscription(Target.CREATE)
        >> needs_cable(confirm_cable)
        >> tell_network
    )
