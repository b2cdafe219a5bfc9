from orchestrator.domain.base import SubscriptionModel
from orchestrator.forms import FormPage, FormValidationError
from orchestrator.types import FormGenerator, State, SubscriptionLifecycle, UUIDstr
from orchestrator.utils.errors import ProcessFailureError
from orchestrator.workflow import StepList, begin, step
from orchestrator.workflows.utils import modify_workflow

from leased_ports.products.port import Port, PortProvisioning, VlanBlock

assert issubclass(FormValidationError, Exception)


def initial_input_form_generator(subscription_id: UUIDstr) -> FormGenerator:
    subscription = SubscriptionModel.from_subscription(subscription_id)

    class ModifyPortForm(FormPage):
        vlan: int = subscription.port.vlans[0].vlan

    user_input = yield ModifyPortForm
    return user_input.model_dump() | {"subscription": subscription}


@step("Activate the port")
def activate_port(subscription: PortProvisioning, vlan: int) -> State:
    if vlan > 4094:
        raise ProcessFailureError("no such VLAN", details={"vlan": vlan})
    active = Port.from_other_lifecycle(subscription, SubscriptionLifecycle.ACTIVE)
    active.port.vlans.append(VlanBlock.new(subscription_id=active.subscription_id, vlan=vlan))
    return {"subscription": active}


@modify_workflow("Modify a leased port", initial_input_form=initial_input_form_generator)
def modify_port() -> StepList:
    return begin >> activate_port
