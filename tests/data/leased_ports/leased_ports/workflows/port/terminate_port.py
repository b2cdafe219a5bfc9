from orchestrator.forms import FormPage
from orchestrator.forms.validators import DisplaySubscription
from orchestrator.types import InputForm, State, UUIDstr
from orchestrator.workflow import StepList, begin, retrystep, step
from orchestrator.workflows.utils import terminate_workflow

from leased_ports.products.port import Port


def terminate_form(subscription_id: UUIDstr) -> InputForm:
    temp_subscription_id = subscription_id

    class TerminateForm(FormPage):
        subscription_id: DisplaySubscription = temp_subscription_id

    return TerminateForm


@step("Load the port")
def load_port(subscription_id: UUIDstr) -> State:
    return {"subscription": Port.from_subscription(subscription_id)}


@retrystep("Take the port out of the network")
def remove_port(state: State) -> State:
    return {"removed": state["subscription"]["port"]["title"]}


@terminate_workflow("Terminate a leased port", initial_input_form=terminate_form)
def terminate_port() -> StepList:
    return begin >> load_port >> remove_port
