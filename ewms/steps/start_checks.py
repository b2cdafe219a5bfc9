"""Call the author's callbacks: may a process start now, and may a user start or resume it?"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from ewms.steps.definitions import ProcessDefinition
from ewms.steps.step_list import Step
from schemas.questions.step_code import ActingUser


def find_predicate_refusal(definition: ProcessDefinition) -> str | None:
    """Return the reason why the run predicate of `definition` refuses a start. Return None if it allows a start.

    Without a run predicate, return None.
    """
    if definition.run_predicate is None:
        return None
    verdict = _call(definition.run_predicate)
    if verdict is None or verdict is True:
        return None
    return verdict if isinstance(verdict, str) else f"{definition.name} may not run now"


def may_start(definition: ProcessDefinition, user: ActingUser) -> bool:
    """Return whether `user` may start a process of `definition`."""
    return definition.authorize is None or bool(_call(definition.authorize, user))


def may_resume(definition: ProcessDefinition, step: Step, user: ActingUser, *, is_retry: bool) -> bool:
    """Return whether `user` may resume the process at `step`; with `is_retry`, whether the user may retry the step.

    The first of these callbacks decides: the step's own, for a retry the workflow's for retries, the workflow's for
    starts.
    """
    retry = definition.authorize_retry if is_retry else None
    callback = step.authorize or retry or definition.authorize
    return callback is None or bool(_call(callback, user))


def _call(callback: Callable[..., Any], *arguments: Any) -> Any:
    result = callback(*arguments)
    return asyncio.run(_finish(result)) if inspect.isawaitable(result) else result


async def _finish(result: Any) -> Any:
    return await result
