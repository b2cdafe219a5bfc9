"""The rules for the options about outcomes and logs that concern several of them, or a task's queues. (core)

The pilot checks its settings by them, and the check of a request applies them before any pilot starts.
"""

from collections.abc import Collection, Iterator

from schemas.pilot.options import PilotOptions, TaskMode

#: A variable without its prefix, the rule that it breaks, and the remedy.
OptionProblem = tuple[str, str, str]


def find_outcome_problems(
    options: PilotOptions, *, n_inputs: int, outputs: Collection[str], n_outputs: int
) -> Iterator[OptionProblem]:
    """Yield the faults of `options`, for a task with `n_inputs` input queues and `n_outputs` output queues.

    `outputs` are the names by which the options may mean an output queue.
    """
    for name, alias in (("OUTCOMES_TO", options.outcomes_to), ("LOGS_TO", options.logs_to)):
        if alias and alias not in outputs:
            yield name, "must be the alias of an output queue of the task", "add the queue to its outputs"
    if options.logs_to and options.logs_to == options.outcomes_to:
        yield "LOGS_TO", "must name another queue than EWMS_PILOT_OUTCOMES_TO", "give the logs their own queue"
    for name, is_set in (("LOGS_TO", options.logs_to), ("AT_MOST_ONCE", options.at_most_once)):
        if is_set and not options.outcomes_to:
            yield name, "needs EWMS_PILOT_OUTCOMES_TO", f"set it, or unset EWMS_PILOT_{name}"
    if options.at_most_once and n_inputs != 1:
        yield "AT_MOST_ONCE", "needs exactly one input queue", "join the queues before this task"
    if options.forward_events and not n_inputs:
        yield "FORWARD_EVENTS", "needs an input queue", "a task without one has no event to forward: unset it"
    n_reports = len({alias for alias in (options.outcomes_to, options.logs_to) if alias in outputs})
    if options.forward_events and n_outputs <= n_reports:
        yield "FORWARD_EVENTS", "needs an output queue", "add a queue that is not for outcomes or logs"
    for name, is_set in (("OUTCOMES_TO", options.outcomes_to), ("PAYLOAD_ARGUMENT", options.payload_argument)):
        if is_set and options.task_mode is TaskMode.STREAM:
            yield name, "is not allowed with EWMS_PILOT_TASK_MODE=stream", "unset one of the two"
