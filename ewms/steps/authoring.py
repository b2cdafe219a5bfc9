"""The functions that make steps of functions. Each works alone and as a decorator."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, overload

from ewms.steps.outcomes import WaitTerms
from ewms.steps.step_list import Focus, Guard, Predicate, Step, StepKind, StepList, begin, surround
from schemas.graph import RetryPolicy, WaitKind
from schemas.processes import Assignee

StepFunction = Callable[..., Any]

#: Steps whose answer the engine puts into the state.
_ANSWERED = (StepKind.CALLBACK, StepKind.EVENT, StepKind.WORKFLOW)
Authorize = Callable[[Any], bool]


class _StepMaker:
    """Make a step of a function, or a group of a step list."""

    def __init__(self, template: Step) -> None:
        self._template = template

    @overload
    def __call__(self, function: StepList) -> Step: ...
    @overload
    def __call__(self, function: StepFunction) -> Step: ...
    def __call__(self, function: StepFunction | StepList) -> Step:
        if isinstance(function, StepList):
            return step_group(self._template.name, function)
        # The same function may make several steps, so a step of a step is one of its function.
        plain = function.function if isinstance(function, Step) else function
        if not callable(plain):
            raise TypeError(f"the step {self._template.name!r} needs a function; it got {plain!r}")
        return replace(self._template, function=plain)


def step(name: str, *, isolate: bool = False, retry_auth_callback: Authorize | None = None) -> _StepMaker:
    """Make a step of a function. What the function returns is merged over the state, key by key.

    The function gets its arguments by name from the state. Write one operation in each step: a retry calls the whole
    function again. `isolate` calls it in a process of its own.

        @step("Create the VLAN")
        def create_vlan(vlan_id: int) -> State:
            return {"vlan": network.create_vlan(vlan_id)}
    """
    return _StepMaker(Step(name=name, isolate=isolate, authorize=retry_auth_callback))


def retrystep(
    name: str,
    *,
    wait: timedelta = timedelta(minutes=1),
    longest: timedelta = timedelta(minutes=10),
    attempts: int | None = None,
    isolate: bool = False,
) -> _StepMaker:
    """Make a step that is called again by itself after an error: after a minute, then after longer, up to ten minutes.

    It goes on until it works, or until `attempts` calls have failed. The process waits meanwhile, and a person may
    resume it sooner.

        @retrystep("Wait until the router answers")
        def ping_router(router: str) -> None:
            network.ping(router)
    """
    if wait <= timedelta() or longest < wait:
        raise ValueError(f"the retry step {name!r} needs wait > 0 and longest >= wait")
    policy = RetryPolicy(first_s=wait.total_seconds(), longest_s=longest.total_seconds(), attempts=attempts)
    return _StepMaker(Step(name=name, retry=policy, isolate=isolate))


def inputstep(
    name: str, *, assignee: Assignee | str = Assignee.SYSTEM, resume_auth_callback: Authorize | None = None
) -> _StepMaker:
    """Make a step that waits for a person to fill in a form. The form's values are merged deeply into the state.

    The function returns a form page, or yields pages one by one and returns the values. It must be free of effects:
    it is called each time somebody looks at the form.

        @inputstep("Confirm the address", assignee=Assignee.NOC)
        def confirm_address(address: str) -> FormGenerator:
            class Confirm(FormPage):
                address_is_right: Accept

            answer = yield Confirm
            return answer.model_dump()
    """
    who = Assignee(assignee)
    wait = WaitTerms(kind=WaitKind.INPUT, assignee=who)
    return _StepMaker(Step(name=name, kind=StepKind.INPUT, assignee=who, wait=wait, authorize=resume_auth_callback))


def callback_step(
    name: str,
    action_step: Step,
    validate_step: Step,
    *,
    result_key: str = "callback_result",
    timeout: timedelta | None = None,
) -> StepList:
    """Make three steps: start something elsewhere, wait until that calls back, check what it said.

    `action_step` gets `callback_route`, the path to which the other side posts JSON: put the server's address before
    it. What arrives is in the state under `result_key`. A retry of any of the three begins with the action and a new
    path.

        begin >> callback_step("Install", action_step=start_installation, validate_step=check_installation)
    """
    for part in (action_step, validate_step):
        if part.kind is not StepKind.STEP:
            raise TypeError(f"the callback step {name!r} takes plain steps; {part.name!r} is of kind {part.kind}")
    wait = WaitTerms(kind=WaitKind.CALLBACK, name=name, timeout=timeout, result_key=result_key)
    return (
        begin
        >> replace(action_step, gets_callback_route=True)
        >> Step(name=name, kind=StepKind.CALLBACK, wait=wait, retries_from=1)
        >> replace(validate_step, retries_from=2)
    )


def await_event(
    name: str, event: str, *, correlation: str = "", timeout: timedelta | None = None, result_key: str = "event"
) -> Step:
    """Make a step that waits for an event from outside, whose body goes into the state under `result_key`.

    `correlation` is a key of the state: only an event with that key's value counts. An event that comes before anybody
    waits for it is kept.

        begin >> order_router >> await_event("Wait for the delivery", "router.delivered", correlation="order_id")
    """
    wait = WaitTerms(kind=WaitKind.EVENT, name=event, timeout=timeout, result_key=result_key)
    return Step(name=name, kind=StepKind.EVENT, wait=wait, correlation_key=correlation)


class Pending:
    """What a polling step returns while the thing that it looks at is not done.

    return {"size": backup.size} if backup.is_done else Pending()
    """


def polling_step(name: str, *, every: timedelta = timedelta(seconds=3), timeout: timedelta | None = None) -> _StepMaker:
    """Make a step that is called again while it returns `Pending()`; no worker is busy in between.

    An error fails the step at once. `timeout` counts from the first call.

        @polling_step("Wait for the backup", every=timedelta(seconds=10), timeout=timedelta(hours=2))
        def look_at_backup(backup_id: str) -> State | Pending:
            backup = storage.read_backup(backup_id)
            return {"size": backup.size} if backup.is_done else Pending()
    """
    if every <= timedelta():
        raise ValueError(f"the polling step {name!r} needs a pause: every > 0")
    return _StepMaker(
        Step(name=name, kind=StepKind.POLL, wait=WaitTerms(kind=WaitKind.POLL, every=every, timeout=timeout))
    )


def run_workflow(name: str, *, result_key: str = "workflow", timeout: timedelta | None = None) -> _StepMaker:
    """Make a step that runs a fleet workflow of EWMS, and waits for its end.

    The function returns the workflow's request (or an `ewms.Workflow`), or the request and the events that the workflow
    gets. What became of it, with its results, is in the state under `result_key`.

        @run_workflow("Simulate", result_key="simulation")
        def request_simulation(seeds: list[int]) -> tuple[Workflow, list[int]]:
            sim = Task(image="docker://sim", args="sim {{INFILE}} {{OUTFILE}}", inputs=["in"], outputs=["out"])
            return Workflow(tasks=[sim], public=["in", "out"]), seeds
    """
    wait = WaitTerms(kind=WaitKind.CHILD, name=name, timeout=timeout, result_key=result_key)
    return _StepMaker(Step(name=name, kind=StepKind.WORKFLOW, wait=wait))


def conditional(predicate: Predicate) -> Callable[[Step | StepList], StepList]:
    """Run steps only if `predicate` says yes to the state. Each step asks at its own turn; one that gets no is skipped.

    So a step within the condition can turn the rest of it off. Of nested conditions the outer one is asked first, and
    the inner one only after a yes.

        begin >> conditional(lambda state: state["is_redundant"])(begin >> order_second_line >> check_second_line)
    """
    return lambda steps: surround(steps, Guard(predicate))


def focussteps(key: str) -> Callable[[Step | StepList], StepList]:
    """Let steps work on the object under `key` as if that were the whole state.

    begin >> focussteps("primary")(begin >> configure_port) >> focussteps("backup")(begin >> configure_port)
    """

    def focus(steps: Step | StepList) -> StepList:
        for one in begin >> steps:
            if one.kind in _ANSWERED or one.gets_callback_route:
                raise TypeError(f"{one.name!r} puts an answer into the whole state, so it cannot work in {key!r} alone")
        return surround(steps, Focus(key))

    return focus


def step_group(name: str, steps: StepList) -> Step:
    """Join steps into one, which clears or fails as a whole. A retry begins with the first of them.

    begin >> step_group("Configure both ends", begin >> configure_a >> configure_b)
    """
    if waiting := [one.name for one in steps if one.kind not in (StepKind.STEP, StepKind.GROUP)]:
        raise TypeError(f"the step group {name!r} takes steps that do not wait; {waiting[0]!r} does, or ends the list")
    if not steps:
        raise ValueError(f"the step group {name!r} is empty")
    return Step(name=name, kind=StepKind.GROUP, members=steps)
