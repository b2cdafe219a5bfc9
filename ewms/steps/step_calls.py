"""Call one step: ask its conditions, give it its arguments, and say what came of it.

Whatever the step's function does, `call_step` returns an outcome. Only an interrupt of the whole worker passes through.
"""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from ewms.steps.authoring import Pending
from ewms.steps.injection import bind_arguments
from ewms.steps.json_values import check_size, to_plain
from ewms.steps.models.subscriptions import SubscriptionModel
from ewms.steps.outcomes import (
    StepAborts,
    StepCompletes,
    StepOutcome,
    StepRepeats,
    StepSkipped,
    StepSucceeded,
    StepWaits,
    merge_outcome,
)
from ewms.steps.step_errors import ProcessAborted, fail_by
from ewms.steps.step_list import ScopedState, Step, StepKind, enter_scopes, widen_changes
from ewms.steps.step_scope import StepScope, enter_step

#: Keys with which a step can do more than merge.
_REMOVE, _REPLACE = "__remove_keys", "__replace_last_state"

#: What must end the worker, or the task that the step runs in, and is no failure of the step.
_INTERRUPTS = (KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)


def call_step(step: Step, state: Mapping[str, Any], scope: StepScope) -> StepOutcome:
    """Call `step` in `state` and return its outcome. A coroutine function runs in an event loop of its own."""
    with enter_step(scope):
        try:
            entered = enter_scopes(step, deepcopy(dict(state)))
            if not entered.is_wanted:
                return StepSkipped()
            return _call_kind(step, state, entered, scope)
        except _INTERRUPTS:
            raise
        except ProcessAborted as error:
            return StepAborts(str(error))
        except BaseException as error:  # noqa: BLE001 - a SystemExit of user code fails its step, too
            failed = fail_by(error, is_task=scope.target.is_task)
            return failed if step.retry is None else StepRepeats(error=failed.error)


def _call_kind(step: Step, state: Mapping[str, Any], entered: ScopedState, scope: StepScope) -> StepOutcome:
    match step.kind:
        case StepKind.INIT:
            return StepSucceeded(changes={})
        case StepKind.DONE:
            return StepCompletes()
        case StepKind.GROUP:
            return _call_group(step, state, entered, scope)
        case StepKind.INPUT | StepKind.CALLBACK:
            assert step.wait is not None
            return StepWaits(step.wait)
        case StepKind.EVENT:
            return _await_event(step, entered)
        case StepKind.WORKFLOW:
            return _ask_for_workflow(step, entered)
    if step.gets_callback_route:
        # Only this step sees the route: it opens the wait to whoever has it, so it is not stored.
        entered.view["callback_route"] = scope.callback_route
    result = _call_function(step, entered.view)
    if isinstance(result, Pending):
        if step.kind is not StepKind.POLL or step.wait is None:
            raise TypeError(f"{step.name!r} returned Pending(), which only a polling step may")
        return StepWaits(step.wait)
    return _conclude(_check_result(result, step), state, entered, scope)


def _call_function(step: Step, view: dict[str, Any]) -> Any:
    assert step.function is not None, f"{step.name!r} has no function"
    result = step.function(**bind_arguments(step.function, view))
    return asyncio.run(_await_result(result)) if inspect.iscoroutine(result) else result


async def _await_result(result: Any) -> Any:
    return await result


def _check_result(result: Any, step: Step) -> dict[str, Any]:
    if result is None:
        return {}
    if isinstance(result, dict):
        return result
    raise TypeError(f"{step.name!r} returned a {type(result).__name__}; a step returns a dictionary or nothing")


def _conclude(
    result: dict[str, Any], state: Mapping[str, Any], entered: ScopedState, scope: StepScope
) -> StepSucceeded:
    """Save the models in `result` and return it as the changes of the state."""
    removed = tuple(result.pop(_REMOVE, ()))
    replaces = _REPLACE in result
    if replaces:
        result = result[_REPLACE]
    save_models(result, scope)
    changes = widen_changes(state, entered.path, to_plain(result))
    outcome = StepSucceeded(
        changes=changes, removed=removed, replaces=replaces and not entered.path, effects=scope.effects()
    )
    check_size(merge_outcome(state, outcome))
    return outcome


def save_models(value: Any, scope: StepScope) -> None:
    """Save each subscription model in `value`, however deep it lies in dictionaries and lists."""
    if isinstance(value, SubscriptionModel):
        scope.save(value.to_document())
    elif isinstance(value, Mapping):
        for item in value.values():
            save_models(item, scope)
    elif isinstance(value, list | tuple):
        for item in value:
            save_models(item, scope)


def _call_group(step: Step, state: Mapping[str, Any], entered: ScopedState, scope: StepScope) -> StepOutcome:
    """Call the members one after the other, each with what the one before it has left. One failure fails the group."""
    assert step.members is not None
    inner: dict[str, Any] = entered.view
    for member in step.members:
        outcome = call_step(member, inner, scope)
        match outcome:
            case StepSkipped():
                continue
            case StepSucceeded():
                inner = merge_outcome(inner, outcome)
            case StepRepeats() | StepAborts():
                return outcome
            case _:
                error = getattr(outcome, "error", {})
                return replace(outcome, error={**error, "__sub_step": member.name})  # type: ignore[arg-type]  # StepFailed
    removed = tuple(key for key in entered.view if key not in inner)
    return StepSucceeded(
        changes=widen_changes(state, entered.path, inner),
        removed=removed if not entered.path else (),
        effects=scope.effects(),
    )


def _await_event(step: Step, entered: ScopedState) -> StepWaits:
    assert step.wait is not None
    if not step.correlation_key:
        return StepWaits(step.wait)
    if step.correlation_key not in entered.view:
        raise KeyError(f"the state has no key {step.correlation_key!r}, by which {step.name!r} knows its event")
    return StepWaits(replace(step.wait, correlation=str(entered.view[step.correlation_key])))


def _ask_for_workflow(step: Step, entered: ScopedState) -> StepWaits:
    assert step.wait is not None
    result = _call_function(step, entered.view)
    request, events = result if isinstance(result, tuple) else (result, ())
    plain = request_of(request)
    if plain is None:
        raise TypeError(f"{step.name!r} returned a {type(request).__name__}; it returns a workflow or its request")
    return StepWaits(replace(step.wait, request=plain, events=tuple(to_plain(list(events)))))


def request_of(workflow: Any) -> dict[str, Any] | None:
    """Return the request of a client's workflow, of a model or of a dictionary; None: it is none of them."""
    make_request: Callable[[], Any] | None = getattr(workflow, "request", None)
    if callable(make_request):
        workflow = make_request()
    if isinstance(workflow, BaseModel | Mapping):
        plain: dict[str, Any] = to_plain(workflow)
        return plain
    return None
