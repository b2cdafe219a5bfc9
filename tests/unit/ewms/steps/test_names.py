"""The authoring names are the reference: each comes from `ewms.steps` and says what it does, with an example."""

import inspect
import re

import pytest

from ewms import steps

#: What the contract's census of users' code asks for, by rank (orchestrator 1.9.1), and the demands of the seed.
DEMANDED = re.findall(
    r"\w+",
    """
    SubscriptionLifecycle step StepList begin State UUIDstr FormGenerator InputForm ProductBlockModel
    SubscriptionModel FormPage Target serializable_property store_process_subscription set_status resync
    unsync Choice choice_list Divider Label DisplaySubscription LongText read_only_field
    MigrationSummary migration_summary Accept unique_conlist callout done init workflow conditional
    inputstep callback_step retrystep Step validate_workflow modify_workflow create_workflow
    terminate_workflow ensure_provisioning_status reconcile_workflow task SubscriptionInstanceList SI
    LazyWorkflowInstance SUBSCRIPTION_MODEL_REGISTRY start_process get_product_by_name get_product_by_id
    Assignee strEnum ProcessFailureError wrap_create_initial_input_form wrap_modify_initial_input_form
    find_subscriptions values_in_use change_lifecycle register_workflow register_product WF_USABLE_MAP
    WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS WF_USABLE_WHILE_OUT_OF_SYNC step_group focussteps await_event
    polling_step run_workflow
    """,
)

#: Functions and classes of ours: the forms library's own names have its own documentation.
OURS = [
    name
    for name in steps.__all__
    if getattr(getattr(steps, name), "__module__", "").startswith("ewms.")
    and callable(getattr(steps, name))
    and name not in ("init", "done")
]


@pytest.mark.parametrize("name", DEMANDED)
def test_a_demanded_name_is_there(name: str) -> None:
    assert name in steps.__all__


@pytest.mark.parametrize("name", OURS)
def test_a_name_says_what_it_does_with_an_example(name: str) -> None:
    thing = getattr(steps, name)
    text = inspect.getdoc(thing.function if isinstance(thing, steps.Step) else thing) or ""
    used = "begin >> init" if name == "StepList" else "my_step" if name == "Step" else name
    assert used in text
    assert len(text.splitlines()[0]) <= 120
