"""Call one step: ask its conditions, give it its arguments, and say what came of it.

Whatever the step's function does, `call_step` returns an outcome. Only an interrupt of the whole worker passes through.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from ewms.steps.authoring import Pending
from ewms.steps.injection import bind_arguments
from ewms.steps.json_values import check_size, to_plain
from ewms.steps.models.subscriptions import SubscriptionModel
from ewms.steps.outcomes import (
    StepAborts,
    StepCompletes,
    StepFailed,
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


RunCoroutine = Callable[[Coroutine[Any, Any, Any]], Any]


def call_step(
    step: Step, state: Mapping[str, Any], scope: StepScope, *, run_coroutine: RunCoroutine = asyncio.run
) -> StepOutcome:
    """Call `step` in `state` and return its outcome. `run_coroutine` waits for what a coroutine function returns."""
    with enter_step(scope):
        try:
            entered = enter_scopes(step, deepcopy(dict(state)))
            if not entered.is_wanted:
                return StepSkipped()
            return _Call(step, state, entered, scope, run_coroutine).conclude()
        except _INTERRUPTS:
            raise
        except ProcessAborted as error:
            return StepAborts(str(error))
        except BaseException as error:  # noqa: BLE001 - a SystemExit of user code fails its step, too
            failed = fail_by(error, is_task=scope.target.is_task)
            return failed if step.retry is None else StepRepeats(error=failed.error)


@dataclass(frozen=True)
class _Call:
    """One call: the step, the whole state, the part of it that the step sees, and what stands around it."""

    step: Step
    state: Mapping[str, Any]
    entered: ScopedState
    scope: StepScope
    run_coroutine: RunCoroutine

    def conclude(self) -> StepOutcome:
        match self.step.kind:
            case StepKind.INIT:
                return StepSucceeded(changes={})
            case StepKind.DONE:
                return StepCompletes()
            case StepKind.GROUP:
                return self._call_group()
            case StepKind.INPUT | StepKind.CALLBACK:
                assert self.step.wait is not None
                return StepWaits(self.step.wait)
            case StepKind.EVENT:
                return self._await_event()
            case StepKind.WORKFLOW:
                return self._ask_for_workflow()
        if self.step.gets_callback_route:
            # Anybody with the route can answer the wait. So only this step sees it, and nothing stores it.
            self.entered.view["callback_route"] = self.scope.callback_route
        result = self._call_function()
        if isinstance(result, Pending):
            if self.step.kind is not StepKind.POLL or self.step.wait is None:
                raise TypeError(f"{self.step.name!r} returned Pending(), which only a polling step may")
            return StepWaits(self.step.wait)
        if result is not None and not isinstance(result, dict):
            what = f"{self.step.name!r} returned a {type(result).__name__}"
            raise TypeError(f"{what}; a step returns a dictionary or nothing")
        return self._merge_result(result or {})

    def _call_function(self) -> Any:
        function = self.step.function
        assert function is not None, f"{self.step.name!r} has no function"
        result = function(**bind_arguments(function, self.entered.view))
        return self.run_coroutine(result) if inspect.iscoroutine(result) else result

    def _merge_result(self, result: dict[str, Any]) -> StepSucceeded:
        """Save the models in `result` and return it as the changes of the state."""
        removed = tuple(result.pop(_REMOVE, ()))
        replaces = _REPLACE in result
        if replaces:
            result = result[_REPLACE]
        save_models(result, self.scope)
        outcome = StepSucceeded(
            changes=widen_changes(self.state, self.entered.path, to_plain(result)),
            removed=removed,
            replaces=replaces and not self.entered.path,
            effects=self.scope.effects(),
        )
        check_size(merge_outcome(self.state, outcome))
        return outcome

    def _call_group(self) -> StepOutcome:
        """Call the members in turn, each with what the one before it has left. One failure fails the group."""
        assert self.step.members is not None
        inner: dict[str, Any] = self.entered.view
        for member in self.step.members:
            outcome = call_step(member, inner, self.scope, run_coroutine=self.run_coroutine)
            match outcome:
                case StepSkipped():
                    continue
                case StepSucceeded():
                    inner = merge_outcome(inner, outcome)
                case StepFailed() | StepRepeats():
                    return replace(outcome, error={**outcome.error, "__sub_step": member.name})
                case _:
                    return outcome
        path = self.entered.path
        removed = () if path else tuple(key for key in self.entered.view if key not in inner)
        changes = widen_changes(self.state, path, inner)
        return StepSucceeded(changes=changes, removed=removed, effects=self.scope.effects())

    def _await_event(self) -> StepWaits:
        step, view = self.step, self.entered.view
        assert step.wait is not None
        if not step.correlation_key:
            return StepWaits(step.wait)
        if step.correlation_key not in view:
            raise KeyError(f"the state has no key {step.correlation_key!r}, by which {step.name!r} knows its event")
        return StepWaits(replace(step.wait, correlation=str(view[step.correlation_key])))

    def _ask_for_workflow(self) -> StepWaits:
        assert self.step.wait is not None
        result = self._call_function()
        request, events = result if isinstance(result, tuple) else (result, ())
        plain = request_of(request)
        if plain is None:
            what = f"{self.step.name!r} returned a {type(request).__name__}"
            raise TypeError(f"{what}; it returns a workflow or its request")
        return StepWaits(replace(self.step.wait, request=plain, events=tuple(to_plain(list(events)))))


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


def request_of(workflow: Any) -> dict[str, Any] | None:
    """Return the request of a client's workflow, of a model or of a dictionary; None: it is none of them."""
    make_request: Callable[[], Any] | None = getattr(workflow, "request", None)
    if callable(make_request):
        workflow = make_request()
    if isinstance(workflow, BaseModel | Mapping):
        plain: dict[str, Any] = to_plain(workflow)
        return plain
    return None
