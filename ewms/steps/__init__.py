"""Write processes as lists of Python functions, each a step that survives crashes: `begin >> a >> b`.

    from ewms.steps import State, StepList, begin, step, task

    @step("Find old notes")
    def find_old_notes() -> State:
        return {"notes": notebook.find_old()}

    @task("Remove old notes")
    def remove_old_notes() -> StepList:
        return begin >> find_old_notes >> delete_notes

`ewms.steps.testing` runs them in a test.
"""

from pydantic_forms.core import FormPage
from pydantic_forms.types import FormGenerator, InputForm, State, UUIDstr, strEnum
from pydantic_forms.validators import (
    Accept,
    Choice,
    DisplaySubscription,
    Divider,
    Label,
    ListOfOne,
    ListOfTwo,
    LongText,
    MigrationSummary,
    callout,
    choice_list,
    migration_summary,
    read_only_field,
    read_only_list,
    unique_conlist,
)

from ewms.steps.authoring import (
    Pending,
    await_event,
    callback_step,
    conditional,
    focussteps,
    inputstep,
    polling_step,
    retrystep,
    run_workflow,
    step,
    step_group,
)
from ewms.steps.definitions import LazyWorkflowInstance
from ewms.steps.gates import (
    WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS,
    WF_USABLE_MAP,
    WF_USABLE_WHILE_OUT_OF_SYNC,
)
from ewms.steps.models.block_lists import SI, SubscriptionInstanceList
from ewms.steps.models.blocks import ProductBlockModel
from ewms.steps.models.computed import serializable_property
from ewms.steps.models.queries import find_subscriptions, get_product_by_id, get_product_by_name, values_in_use
from ewms.steps.models.subscriptions import SUBSCRIPTION_MODEL_REGISTRY, SubscriptionModel, change_lifecycle
from ewms.steps.registrations import register_product, register_workflow
from ewms.steps.start_forms import wrap_create_initial_input_form, wrap_modify_initial_input_form
from ewms.steps.step_errors import InconsistentDataError, ProcessAborted, ProcessFailureError
from ewms.steps.step_list import Step, StepList, begin, done, init
from ewms.steps.step_scope import start_process, state_event
from ewms.steps.subscription_steps import (
    ensure_provisioning_status,
    resync,
    set_status,
    store_process_subscription,
    unsync,
    unsync_unchecked,
)
from ewms.steps.workflow_decorators import (
    create_workflow,
    modify_workflow,
    reconcile_workflow,
    task,
    terminate_workflow,
    validate_workflow,
    workflow,
)
from schemas.engine.processes import Assignee, Target
from schemas.engine.subscriptions import SubscriptionLifecycle

__all__ = [
    "SI",
    "SUBSCRIPTION_MODEL_REGISTRY",
    "WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS",
    "WF_USABLE_MAP",
    "WF_USABLE_WHILE_OUT_OF_SYNC",
    "Accept",
    "Assignee",
    "Choice",
    "DisplaySubscription",
    "Divider",
    "FormGenerator",
    "FormPage",
    "InconsistentDataError",
    "InputForm",
    "Label",
    "LazyWorkflowInstance",
    "ListOfOne",
    "ListOfTwo",
    "LongText",
    "MigrationSummary",
    "Pending",
    "ProcessAborted",
    "ProcessFailureError",
    "ProductBlockModel",
    "State",
    "Step",
    "StepList",
    "SubscriptionInstanceList",
    "SubscriptionLifecycle",
    "SubscriptionModel",
    "Target",
    "UUIDstr",
    "await_event",
    "begin",
    "callback_step",
    "callout",
    "change_lifecycle",
    "choice_list",
    "conditional",
    "create_workflow",
    "done",
    "ensure_provisioning_status",
    "find_subscriptions",
    "focussteps",
    "get_product_by_id",
    "get_product_by_name",
    "init",
    "inputstep",
    "migration_summary",
    "modify_workflow",
    "polling_step",
    "read_only_field",
    "read_only_list",
    "reconcile_workflow",
    "register_product",
    "register_workflow",
    "resync",
    "retrystep",
    "run_workflow",
    "serializable_property",
    "set_status",
    "start_process",
    "state_event",
    "step",
    "step_group",
    "store_process_subscription",
    "strEnum",
    "task",
    "terminate_workflow",
    "unique_conlist",
    "unsync",
    "unsync_unchecked",
    "validate_workflow",
    "values_in_use",
    "workflow",
    "wrap_create_initial_input_form",
    "wrap_modify_initial_input_form",
]
