"""Call one step: evaluate its conditions, pass its arguments, and return its outcome.

`call_step` returns an outcome even if the step's function raises an error. Only an interrupt of the whole worker passes
through. `walk_step` does the same as a generator: it yields each coroutine that the step's functions return, and the
caller sends the coroutine's result. So a worker can await the coroutine on any loop, and no thread waits for it.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Generator, Mapping
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
from ewms.steps.step_errors import ProcessAborted, judge_error
from ewms.steps.step_list import ScopedState, Step, StepKind, enter_scopes, widen_changes
from ewms.steps.step_scope import StepScope, enter_step

#: Keys with which a step can do more than merge.
_REMOVE, _REPLACE = "__remove_keys", "__replace_last_state"

#: These end the worker, or the task in which the step runs. They are no failures of the step.
_INTERRUPTS = (KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)


RunCoroutine = Callable[[Coroutine[Any, Any, Any]], Any]
StepWalk = Generator[Coroutine[Any, Any, Any], Any, StepOutcome]


def call_step(
    step: Step, state: Mapping[str, Any], scope: StepScope, *, run_coroutine: RunCoroutine = asyncio.run
) -> StepOutcome:
    """Call `step` with `state`, and return the outcome. `run_coroutine` runs the coroutine of a coroutine function."""
    walk = walk_step(step, state, scope)
    feed: Callable[[Any], Coroutine[Any, Any, Any]] = walk.send
    given: Any = None
    with enter_step(scope):
        try:
            while True:
                work = feed(given)
                try:
                    feed, given = walk.send, run_coroutine(work)
                except BaseException as error:  # noqa: BLE001 - the step gets it, as if it had awaited the work itself
                    feed, given = walk.throw, error
        except StopIteration as end:
            outcome: StepOutcome = end.value
            return outcome


def walk_step(step: Step, state: Mapping[str, Any], scope: StepScope) -> StepWalk:
    """Call `step` with `state`. Yield each coroutine to await, and return the outcome. The caller enters `scope`."""
    try:
        entered = enter_scopes(step, deepcopy(dict(state)))
        if not entered.is_wanted:
            return StepSkipped()
        return (yield from _Call(step, state, entered, scope).walk_step())
    except _INTERRUPTS:
        raise
    except ProcessAborted as error:
        return StepAborts(str(error))
    except BaseException as error:  # noqa: BLE001 - a SystemExit of user code fails its step, too
        failed = judge_error(error, is_task=scope.target.is_task)
        return failed if step.retry is None else StepRepeats(error=failed.error)


@dataclass(frozen=True)
class _Call:
    """One call: the step, the whole state, the part of it that the step sees, and the scope of the call."""

    step: Step
    state: Mapping[str, Any]
    entered: ScopedState
    scope: StepScope

    def walk_step(self) -> StepWalk:
        match self.step.kind:
            case StepKind.INIT:
                return StepSucceeded(changes={})
            case StepKind.DONE:
                return StepCompletes()
            case StepKind.GROUP:
                return (yield from self._call_group())
            case StepKind.INPUT | StepKind.CALLBACK:
                assert self.step.wait is not None
                return StepWaits(self.step.wait)
            case StepKind.EVENT:
                return self._await_event()
            case StepKind.WORKFLOW:
                return (yield from self._ask_for_workflow())
        if self.step.gets_callback_route:
            # Anybody with the route can answer the wait. So only this step sees it, and nothing stores it.
            self.entered.view["callback_route"] = self.scope.callback_route
        result = yield from self._call_function()
        if isinstance(result, Pending):
            if self.step.kind is not StepKind.POLL or self.step.wait is None:
                raise TypeError(f"{self.step.name!r} returned Pending(), which only a polling step may")
            return StepWaits(self.step.wait)
        if result is not None and not isinstance(result, dict):
            what = f"{self.step.name!r} returned a {type(result).__name__}"
            raise TypeError(f"{what}; a step returns a dictionary or nothing")
        return self._merge_result(result or {})

    def _call_function(self) -> Generator[Coroutine[Any, Any, Any], Any, Any]:
        function = self.step.function
        assert function is not None, f"{self.step.name!r} has no function"
        result = function(**bind_arguments(function, self.entered.view))
        return (yield result) if inspect.iscoroutine(result) else result

    def _merge_result(self, result: dict[str, Any]) -> StepSucceeded:
        """Save the models in `result`, and return the step's success with `result` as the changes of the state."""
        removed = tuple(result.pop(_REMOVE, ()))
        replaces = _REPLACE in result
        if replaces:
            result = result[_REPLACE]
        save_models(result, self.scope)
        outcome = StepSucceeded(
            changes=widen_changes(self.state, self.entered.path, to_plain(result)),
            removed=removed,
            replaces=replaces and not self.entered.path,
            effects=self.scope.collect_effects(),
        )
        check_size(merge_outcome(self.state, outcome))
        return outcome

    def _call_group(self) -> StepWalk:
        """Call the members in turn, each with the state that the member before it has left. If a member fails, the
        group fails.
        """
        assert self.step.members is not None
        inner: dict[str, Any] = self.entered.view
        for member in self.step.members:
            outcome = yield from walk_step(member, inner, self.scope)
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
        return StepSucceeded(changes=changes, removed=removed, effects=self.scope.collect_effects())

    def _await_event(self) -> StepWaits:
        step, view = self.step, self.entered.view
        assert step.wait is not None
        if not step.correlation_key:
            return StepWaits(step.wait)
        if step.correlation_key not in view:
            raise KeyError(f"the state has no key {step.correlation_key!r}, by which {step.name!r} knows its event")
        return StepWaits(replace(step.wait, correlation=str(view[step.correlation_key])))

    def _ask_for_workflow(self) -> StepWalk:
        assert self.step.wait is not None
        result = yield from self._call_function()
        request, events = result if isinstance(result, tuple) else (result, ())
        plain = request_of(request)
        if plain is None:
            what = f"{self.step.name!r} returned a {type(request).__name__}"
            raise TypeError(f"{what}; it returns a workflow or its request")
        return StepWaits(replace(self.step.wait, request=plain, events=tuple(to_plain(list(events)))))


def save_models(value: Any, scope: StepScope) -> None:
    """Save each subscription model in `value`. Search dictionaries and lists at any depth."""
    if isinstance(value, SubscriptionModel):
        scope.save(value.to_document())
    elif isinstance(value, Mapping):
        for item in value.values():
            save_models(item, scope)
    elif isinstance(value, list | tuple):
        for item in value:
            save_models(item, scope)


def request_of(workflow: Any) -> dict[str, Any] | None:
    """Return the request of `workflow`: a client's workflow, a model or a dictionary. Return None for anything else."""
    make_request: Callable[[], Any] | None = getattr(workflow, "request", None)
    if callable(make_request):
        workflow = make_request()
    if isinstance(workflow, BaseModel | Mapping):
        plain: dict[str, Any] = to_plain(workflow)
        return plain
    return None
