"""The steps that processes on a subscription share: relate the process, lock, set the lifecycle, unlock."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from ewms.steps.authoring import step
from ewms.steps.models.subscriptions import SUBSCRIPTION_MODEL_REGISTRY, SubscriptionModel, change_lifecycle
from ewms.steps.step_list import Step, StepList, begin
from ewms.steps.step_scope import StepScope, current_scope
from schemas.engine.processes import Target
from schemas.engine.subscriptions import SubscriptionDocument, SubscriptionLifecycle, expand_document

#: Where `unsync` keeps the subscriptions as they were before the process.
_BACKUP = "__old_subscriptions__"


def store_process_subscription(target: Target | str | None = None) -> Step:
    """Make the step that relates the process to the state's `subscription_id`. `target` has no effect.

    begin >> construct_node_model >> store_process_subscription(Target.CREATE)
    """
    if target is not None:
        Target(target)

    def relate_process(subscription_id: UUID) -> None:
        scope = current_scope("store_process_subscription")
        scope.related.append(scope.read_subscription(subscription_id).subscription_id)

    return step("Create Process Subscription relation")(relate_process)


def set_status(status: SubscriptionLifecycle | str) -> Step:
    """Make the step that sets the subscription's lifecycle. `@create_workflow` and `@terminate_workflow` add such a
    step.

        begin >> set_status(SubscriptionLifecycle.PROVISIONING) >> configure_node
    """
    wanted = SubscriptionLifecycle(status)

    def change_status(subscription_id: UUID) -> dict[str, Any]:
        scope = current_scope("set_status")
        document = scope.read_subscription(subscription_id)
        if document.product.name in SUBSCRIPTION_MODEL_REGISTRY:
            model = change_lifecycle(SubscriptionModel.from_document(document, scope), wanted)
            return {"subscription": model}
        # The registry has no class for the product, so the values cannot be checked against the lifecycle.
        changes: dict[str, Any] = {"status": wanted}
        if wanted is SubscriptionLifecycle.ACTIVE:
            changes["start_date"] = document.start_date or scope.now
        if wanted is SubscriptionLifecycle.TERMINATED:
            changes["end_date"] = scope.now
        return _save_subscription(scope, document.model_copy(update=changes))

    return step(f"Set subscription to {str(wanted)!r}")(change_status)


@step("Lock subscription")
def unsync(subscription_id: UUID, __old_subscriptions__: dict[str, Any] | None = None) -> dict[str, Any]:
    """Set the subscription out of sync, so that no other process changes it. Return the changes of the state.

        begin >> store_process_subscription() >> unsync >> change_speed >> resync

    Raises:
        ValueError: the subscription is out of sync already.
    """
    scope = current_scope("unsync")
    document = scope.read_subscription(subscription_id)
    if not document.insync:
        raise ValueError(
            f"subscription {subscription_id} is out of sync already: another process works on it, or has failed"
        )
    return _lock_subscription(scope, document, __old_subscriptions__ or {})


@step("Lock subscription")
def unsync_unchecked(subscription_id: UUID, __old_subscriptions__: dict[str, Any] | None = None) -> dict[str, Any]:
    """Set the subscription out of sync, even if it is out of sync already. Return the changes of the state.

    Validations use this step.

        begin >> store_process_subscription() >> unsync_unchecked >> check_node >> resync
    """
    scope = current_scope("unsync_unchecked")
    return _lock_subscription(scope, scope.read_subscription(subscription_id), __old_subscriptions__ or {})


@step("Unlock subscription")
def resync(subscription_id: UUID) -> dict[str, Any]:
    """Set the subscription in sync again. Return the changes of the state. This is the last step of each process on a
    subscription.

        begin >> unsync >> change_speed >> resync
    """
    scope = current_scope("resync")
    return _save_subscription(scope, scope.read_subscription(subscription_id).model_copy(update={"insync": True}))


def ensure_provisioning_status(steps: Step | StepList | Callable[[], Step | StepList]) -> StepList:
    """Return `steps` between two steps: the first sets the lifecycle `provisioning`, the last sets `active`.

    begin >> ensure_provisioning_status(begin >> change_vlan >> change_description)
    """
    inner = steps if isinstance(steps, Step | StepList) else steps()
    return begin >> set_status(SubscriptionLifecycle.PROVISIONING) >> inner >> set_status(SubscriptionLifecycle.ACTIVE)


def _lock_subscription(scope: StepScope, document: SubscriptionDocument, backup: dict[str, Any]) -> dict[str, Any]:
    before = {str(document.subscription_id): expand_document(document, scope.read_subscription)}
    saved = _save_subscription(scope, document.model_copy(update={"insync": False}))
    return {**saved, _BACKUP: before | backup}


def _save_subscription(scope: StepScope, document: SubscriptionDocument) -> dict[str, Any]:
    """Save `document`, and return the copy of it for the state. If the registry has its class, the copy is made by the
    model.
    """
    scope.save(document)
    if document.product.name in SUBSCRIPTION_MODEL_REGISTRY:
        return {"subscription": SubscriptionModel.from_document(document, scope).as_plain()}
    return {"subscription": expand_document(document, scope.read_subscription)}
