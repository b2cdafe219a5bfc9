"""The decorators that define workflows. Each adds the steps that its kind of workflow needs."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, overload

from ewms.steps.definitions import ProcessDefinition, add_definition
from ewms.steps.forms import Form, StateForm, generator_of
from ewms.steps.start_forms import wrap_create_initial_input_form, wrap_modify_initial_input_form
from ewms.steps.step_list import Step, StepList, begin, done, init
from ewms.steps.subscription_steps import resync, set_status, store_process_subscription, unsync, unsync_unchecked
from schemas.engine.processes import Target
from schemas.engine.subscriptions import SubscriptionLifecycle

ListFunction = Callable[[], StepList]
Decorator = Callable[[ListFunction], ProcessDefinition]


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """The steps before and after the author's steps, and the page before the author's form."""

    target: Target
    before: StepList = begin
    after: StepList = begin
    wrap_form: Callable[[Form | None], StateForm] = generator_of


def _make_decorator(
    frame: _Frame,
    description: Any,
    initial_input_form: Form | None,
    additional_steps: StepList | None,
    extra: dict[str, Any],
) -> Any:
    """Return the decorator. If `description` is the decorated function (no brackets), return the definition."""

    def decorate(function: ListFunction) -> ProcessDefinition:
        steps = function()
        if not isinstance(steps, StepList):
            raise TypeError(f"{function.__name__} returned a {type(steps).__name__}; a workflow returns a step list")
        return add_definition(
            ProcessDefinition(
                name=function.__name__,
                description=description or inspect.getdoc(function) or "",
                target=frame.target,
                steps=frame.before >> steps >> (additional_steps or begin) >> frame.after,
                form=frame.wrap_form(initial_input_form),
                run_predicate=extra.get("run_predicate"),
                authorize=extra.get("authorize_callback"),
                authorize_retry=extra.get("retry_auth_callback"),
                origin=f"{function.__module__}.{function.__qualname__}",
            )
        )

    if callable(description):
        function, description = description, ""
        return decorate(function)
    return decorate


@overload
def create_workflow(description: ListFunction, /) -> ProcessDefinition: ...
@overload
def create_workflow(
    description: str = "",
    *,
    initial_input_form: Form | None = None,
    status: SubscriptionLifecycle = SubscriptionLifecycle.ACTIVE,
    additional_steps: StepList | None = None,
    **extra: Any,
) -> Decorator: ...
def create_workflow(
    description: ListFunction | str = "",
    *,
    initial_input_form: Form | None = None,
    status: SubscriptionLifecycle = SubscriptionLifecycle.ACTIVE,
    additional_steps: StepList | None = None,
    **extra: Any,
) -> Any:
    """Define a workflow that makes a subscription and sets it to the lifecycle `status` at the end.

    The form begins with a page that asks for the product. The subscription is in sync when all steps have cleared.

        @create_workflow("Create a node", initial_input_form=ask_for_node, status=SubscriptionLifecycle.PROVISIONING)
        def create_node() -> StepList:
            return begin >> construct_node_model >> store_process_subscription(Target.CREATE) >> order_node
    """
    frame = _Frame(
        target=Target.CREATE,
        before=begin >> init,
        after=begin >> set_status(status) >> resync >> done,
        wrap_form=wrap_create_initial_input_form,
    )
    return _make_decorator(frame, description, initial_input_form, additional_steps, extra)


@overload
def modify_workflow(description: ListFunction, /) -> ProcessDefinition: ...
@overload
def modify_workflow(
    description: str = "",
    *,
    initial_input_form: Form | None = None,
    additional_steps: StepList | None = None,
    **extra: Any,
) -> Decorator: ...
def modify_workflow(
    description: ListFunction | str = "",
    *,
    initial_input_form: Form | None = None,
    additional_steps: StepList | None = None,
    **extra: Any,
) -> Any:
    """Define a workflow that changes a subscription. The subscription is out of sync until all steps have cleared.

    @modify_workflow("Change the speed", initial_input_form=ask_for_speed)
    def modify_speed() -> StepList:
        return begin >> load_node >> change_speed
    """
    return _make_decorator(
        _frame_on_subscription(Target.MODIFY), description, initial_input_form, additional_steps, extra
    )


@overload
def terminate_workflow(description: ListFunction, /) -> ProcessDefinition: ...
@overload
def terminate_workflow(
    description: str = "",
    *,
    initial_input_form: Form | None = None,
    additional_steps: StepList | None = None,
    **extra: Any,
) -> Decorator: ...
def terminate_workflow(
    description: ListFunction | str = "",
    *,
    initial_input_form: Form | None = None,
    additional_steps: StepList | None = None,
    **extra: Any,
) -> Any:
    """Define a workflow that ends a subscription: its last lifecycle is `terminated`. It may start in every lifecycle.

    @terminate_workflow("Terminate the node")
    def terminate_node() -> StepList:
        return begin >> load_node >> remove_from_network
    """
    ends = begin >> set_status(SubscriptionLifecycle.TERMINATED)
    frame = _frame_on_subscription(Target.TERMINATE, ends=ends)
    return _make_decorator(frame, description, initial_input_form, additional_steps, extra)


@overload
def validate_workflow(description: ListFunction, /) -> ProcessDefinition: ...
@overload
def validate_workflow(description: str = "", *, initial_input_form: Form | None = None, **extra: Any) -> Decorator: ...
def validate_workflow(
    description: ListFunction | str = "", *, initial_input_form: Form | None = None, **extra: Any
) -> Any:
    """Define a workflow that checks a subscription. A step that finds a fault raises AssertionError.

    @validate_workflow("Check the node")
    def validate_node() -> StepList:
        return begin >> check_monitoring >> check_inventory
    """
    frame = _frame_on_subscription(Target.VALIDATE, lock=unsync_unchecked)
    return _make_decorator(frame, description, initial_input_form, extra.pop("additional_steps", None), extra)


@overload
def reconcile_workflow(description: ListFunction, /) -> ProcessDefinition: ...
@overload
def reconcile_workflow(description: str = "", *, initial_input_form: Form | None = None, **extra: Any) -> Decorator: ...
def reconcile_workflow(
    description: ListFunction | str = "", *, initial_input_form: Form | None = None, **extra: Any
) -> Any:
    """Define a workflow that makes a subscription and other systems agree again.

    @reconcile_workflow("Bring the node's configuration in line")
    def reconcile_node() -> StepList:
        return begin >> read_configuration >> write_configuration
    """
    frame = _frame_on_subscription(Target.RECONCILE, lock=unsync_unchecked)
    return _make_decorator(frame, description, initial_input_form, extra.pop("additional_steps", None), extra)


@overload
def task(description: ListFunction, /) -> ProcessDefinition: ...
@overload
def task(description: str = "", *, initial_input_form: Form | None = None, **extra: Any) -> Decorator: ...
def task(description: ListFunction | str = "", *, initial_input_form: Form | None = None, **extra: Any) -> Any:
    """Define a task of the system: its steps work on no particular subscription.

    @task("Remove old notes")
    def remove_old_notes() -> StepList:
        return begin >> find_old_notes >> delete_notes
    """
    frame = _Frame(target=Target.SYSTEM, before=begin >> init, after=begin >> done)
    return _make_decorator(frame, description, initial_input_form, extra.pop("additional_steps", None), extra)


@overload
def workflow(description: ListFunction, /) -> ProcessDefinition: ...
@overload
def workflow(
    description: str = "", *, target: Target | str = Target.SYSTEM, initial_input_form: Form | None = None, **extra: Any
) -> Decorator: ...
def workflow(
    description: ListFunction | str = "",
    *,
    target: Target | str = Target.SYSTEM,
    initial_input_form: Form | None = None,
    **extra: Any,
) -> Any:
    """Define a workflow of exactly the steps that the function returns: write `init` and `done` yourself.

    @workflow("Create a port", target=Target.CREATE, initial_input_form=wrap_create_initial_input_form(ask_for_port))
    def create_port() -> StepList:
        return init >> construct_port >> store_process_subscription() >> resync >> done
    """
    return _make_decorator(
        _Frame(target=Target(target)), description, initial_input_form, extra.pop("additional_steps", None), extra
    )


def _frame_on_subscription(target: Target, *, lock: Step = unsync, ends: StepList = begin) -> _Frame:
    return _Frame(
        target=target,
        before=begin >> init >> store_process_subscription(target) >> lock,
        after=ends >> resync >> done,
        wrap_form=wrap_modify_initial_input_form,
    )
