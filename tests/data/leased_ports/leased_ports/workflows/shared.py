from collections.abc import Callable

from orchestrator.core.targets import Target
from orchestrator.core.types import SubscriptionLifecycle
from orchestrator.core.utils.json import json_dumps
from orchestrator.core.workflow import StepList, done, init, make_workflow, step
from orchestrator.core.workflows.steps import resync, set_status
from orchestrator.core.workflows.utils import wrap_create_initial_input_form
from pydantic_forms.core import FormPage
from pydantic_forms.types import FormGenerator, State, SummaryData
from pydantic_forms.validators import migration_summary


def create_port_workflow(description: str, initial_input_form: Callable) -> Callable:
    """A decorator of the package's own."""

    def decorate(function: Callable[[], StepList]) -> object:
        steps = init >> function() >> set_status(SubscriptionLifecycle.PROVISIONING) >> resync >> done
        form = wrap_create_initial_input_form(initial_input_form)
        return make_workflow(function, description, form, Target.CREATE, steps)

    return decorate


def confirm_summary(user_input: dict, fields: list[str]) -> FormGenerator:
    data: SummaryData = {"labels": fields, "columns": [[str(user_input[name]) for name in fields]]}

    class SummaryForm(FormPage):
        summary: migration_summary(data)

    yield SummaryForm


@step("Tell the network")
def tell_network(subscription: dict) -> State:
    return {"told": json_dumps(subscription["port"])}
