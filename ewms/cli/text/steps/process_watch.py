"""Watch a process: a live drawing on a terminal; elsewhere a line for each step that has ended."""

from collections.abc import Hashable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from ewms.cli.text.steps.processes import describe_failure, find_next_command, process_lines
from ewms.cli.text.terminal.steps_display import StepsDisplay
from schemas.engine.processes import StepStatus

if TYPE_CHECKING:
    from schemas.api.processes import ProcessDetail, ProcessStep


def draw_process(display: StepsDisplay, process: "ProcessDetail", now: datetime) -> None:
    """Draw `process` on a terminal. Elsewhere, write what is new."""
    status = f"{process.workflow_name} is {process.status}; next: {find_next_command(process)}"
    display.draw(process_lines(process, now), _list_ended(process), status)


def _list_ended(process: "ProcessDetail") -> "Iterator[tuple[Hashable, str]]":
    for step in process.steps:
        if step.status is not StepStatus.PENDING and step.completed is not None:
            yield (step.key, step.attempt, step.status), _describe_step(step)


def _describe_step(step: "ProcessStep") -> str:
    failure = f": {describe_failure(step.state_delta)}" if step.status is StepStatus.FAILED else ""
    return f"{step.name}: {step.status}{failure}"
