"""The functions that turn functions into steps. Most are decorators."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, overload

from ewms.steps.outcomes import WaitTerms
from ewms.steps.step_list import Focus, Guard, Predicate, Step, StepKind, StepList, begin, place_within_scope
from schemas.engine.graph import RetryPolicy, WaitKind
from schemas.engine.processes import Assignee
from schemas.engine.runs import MAX_RESULTS

StepFunction = Callable[..., Any]

#: For the steps of these kinds, the engine puts the answer into the state.
_ANSWERED = (StepKind.CALLBACK, StepKind.EVENT, StepKind.WORKFLOW)
Authorize = Callable[[Any], bool]


class _StepMaker:
    """Makes a step of a function, or a group of a step list, by a template."""

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
    """Make a step of a function. The keys that the function returns replace the keys of the state.

    The function gets its arguments by name from the state. Write one operation in each step: a retry calls the whole
    function again. If `isolate`, the worker calls the function in a new process.

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
    """Make a step that the engine calls again after an error. The pauses between the calls grow from `wait` to
    `longest`.

    The calls end when one succeeds, or when `attempts` calls have failed (None: no limit). The process waits between
    the calls, and a person may resume it earlier.

        @retrystep("Wait until the router answers")
        def ping_router(router: str) -> None:
            network.ping(router)

    Raises:
        ValueError: `wait` is not above 0, or `longest` is below `wait`.
    """
    if wait <= timedelta() or longest < wait:
        raise ValueError(f"the retry step {name!r} needs wait > 0 and longest >= wait")
    policy = RetryPolicy(first_s=wait.total_seconds(), longest_s=longest.total_seconds(), attempts=attempts)
    return _StepMaker(Step(name=name, retry=policy, isolate=isolate))


def inputstep(
    name: str, *, assignee: Assignee | str = Assignee.SYSTEM, resume_auth_callback: Authorize | None = None
) -> _StepMaker:
    """Make a step that waits until a person fills in a form. The form's values are merged deeply into the state.

    The function returns a form page, or yields pages one by one and returns the values. EWMS calls the function again
    for each page that the person fills in, so the function must have no effects.

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
    """Make three steps: start something on another system, wait until that system calls back, check the answer.

    `action_step` gets `callback_route`, the path to which the other system posts JSON: put the server's address before
    the path. The state gets the JSON under `result_key`. A retry of any of the three steps begins with the action and a
    new path.

        begin >> callback_step("Install", action_step=start_installation, validate_step=check_installation)

    Raises:
        TypeError: `action_step` or `validate_step` is no plain step.
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
    """Make a step that waits for an event from outside. The event's body goes into the state under `result_key`.

    `correlation` is a key of the state: the event must carry the value of that key. An event ends every step that waits
    for it at that moment. If no step waits for the event, WMS keeps it for the first step that does.

        begin >> order_router >> await_event("Wait for the delivery", "router.delivered", correlation="order_id")
    """
    wait = WaitTerms(kind=WaitKind.EVENT, name=event, timeout=timeout, result_key=result_key)
    return Step(name=name, kind=StepKind.EVENT, wait=wait, correlation_key=correlation)


class Pending:
    """What a polling step returns if the operation that it polls is not done yet.

    return {"size": backup.size} if backup.is_done else Pending()
    """


def polling_step(name: str, *, every: timedelta = timedelta(seconds=3), timeout: timedelta | None = None) -> _StepMaker:
    """Make a step that the engine calls again after the pause `every` as long as the step returns `Pending()`.

    No worker is busy during the pauses. An error fails the step at once. `timeout` counts from the first call.

        @polling_step("Wait for the backup", every=timedelta(seconds=10), timeout=timedelta(hours=2))
        def look_at_backup(backup_id: str) -> State | Pending:
            backup = storage.read_backup(backup_id)
            return {"size": backup.size} if backup.is_done else Pending()

    Raises:
        ValueError: `every` is not above 0.
    """
    if every <= timedelta():
        raise ValueError(f"the polling step {name!r} needs a pause: every > 0")
    return _StepMaker(
        Step(name=name, kind=StepKind.POLL, wait=WaitTerms(kind=WaitKind.POLL, every=every, timeout=timeout))
    )


def run_workflow(
    name: str,
    *,
    result_key: str = "workflow",
    timeout: timedelta | None = None,
    max_dead_letters: int = 0,
    max_results: int = 100,
) -> _StepMaker:
    """Make a step that runs a fleet workflow of EWMS, and waits for its end.

    The function returns the workflow's request (or an `ewms.Workflow`), or a pair: the request, and the events that the
    workflow gets. The state gets an object about the workflow's end under `result_key`. Its `results` are the payloads
    in the first public queue that is an output and no input: the first `max_results` payloads, and no more than 256 KiB
    of them. The payloads also stay in the queue; `n_results` is their number there. The step fails if more than
    `max_dead_letters` events of the workflow fail. After `timeout` the step fails, too, and WMS aborts the workflow.

        @run_workflow("Simulate", result_key="simulation")
        def request_simulation(seeds: list[int]) -> tuple[Workflow, list[int]]:
            sim = Task(image="docker://sim", args="sim {{INFILE}} {{OUTFILE}}", inputs=["in"], outputs=["out"])
            return Workflow(tasks=[sim], public=["in", "out"]), seeds

    Raises:
        ValueError: `max_dead_letters` is negative, or `max_results` is out of its range.
    """
    if max_dead_letters < 0 or not 0 <= max_results <= MAX_RESULTS:
        raise ValueError(f"the step {name!r} needs max_dead_letters >= 0, and max_results from 0 to {MAX_RESULTS}")
    wait = WaitTerms(
        kind=WaitKind.CHILD,
        name=name,
        timeout=timeout,
        result_key=result_key,
        max_dead_letters=max_dead_letters,
        max_results=max_results,
    )
    return _StepMaker(Step(name=name, kind=StepKind.WORKFLOW, wait=wait))


def conditional(predicate: Predicate) -> Callable[[Step | StepList], StepList]:
    """Return a function that puts a condition around steps. The process skips each step for which `predicate` returns
    false.

    The engine calls `predicate` with the state before each of the steps. So a step within the condition can make the
    process skip the steps after it. Of nested conditions the engine calls the outer condition first, and the inner
    condition only if the outer one is true.

        begin >> conditional(lambda state: state["is_redundant"])(begin >> order_second_line >> check_second_line)
    """
    return lambda steps: place_within_scope(steps, Guard(predicate))


def focussteps(key: str) -> Callable[[Step | StepList], StepList]:
    """Return a function that wraps steps. The wrapped steps see only the object `state[key]` as their state.

        begin >> focussteps("primary")(begin >> configure_port) >> focussteps("backup")(begin >> configure_port)

    Raises:
        TypeError: a step puts an answer into the whole state, or is `done`.
    """

    def focus(steps: Step | StepList) -> StepList:
        for one in begin >> steps:
            if one.kind in _ANSWERED or one.gets_callback_route:
                raise TypeError(f"{one.name!r} puts an answer into the whole state, so it cannot work in {key!r} alone")
        return place_within_scope(steps, Focus(key))

    return focus


def step_group(name: str, steps: StepList) -> Step:
    """Join steps into one step, which clears or fails as a whole. A retry begins with the first of the steps.

    begin >> step_group("Configure both ends", begin >> configure_a >> configure_b)

    Raises:
        TypeError: one of the steps waits, or is `done`.
        ValueError: there are no steps.
    """
    if waiting := [one.name for one in steps if one.kind not in (StepKind.STEP, StepKind.GROUP)]:
        raise TypeError(f"the step group {name!r} takes steps that do not wait; {waiting[0]!r} does, or ends the list")
    if not steps:
        raise ValueError(f"the step group {name!r} is empty")
    return Step(name=name, kind=StepKind.GROUP, members=steps)
