"""Show why a workflow, a process or a tree stands as it does. (core)"""

from collections.abc import Iterable

from rich.text import Text

from schemas.api.workflows.explanation import ExplainedCause, Explanation, ObjectExplanation, WorkflowStanding
from schemas.causes.entry import Severity

_STYLES = {
    Severity.BLOCKED: "bold red",
    Severity.FAILING: "red",
    Severity.SLOWED: "yellow",
    Severity.PASSING: "dim",
    Severity.NOTE: "",
}


def explanation_lines(found: Explanation | ObjectExplanation) -> list[Text]:
    """Return a line that says how it stands, then for each cause its text, what helps, and the command."""
    if isinstance(found, Explanation):
        return [Text.assemble((found.workflow_id, "cyan"), f"  {found.standing}"), *_list_causes(found.causes)]
    lines = [
        Text.assemble((found.name, "cyan"), f"  {found.kind} {found.id}  {found.standing}"),
        *_list_causes(found.causes),
    ]
    if found.n_left_out:
        lines.append(Text(f"{found.n_left_out} more cause(s) of the same kinds are left out", style="dim"))
    return lines


def _list_causes(causes: Iterable[ExplainedCause]) -> list[Text]:
    lines = []
    for each in causes:
        lines.append(Text.assemble((f"{each.severity}: ", "dim"), (each.text, _STYLES.get(each.severity, ""))))
        lines.append(Text(f"    {each.remedy}"))
        if each.command:
            lines.append(Text.assemble("    → ", (each.command, "cyan")))
    return lines


def describe_standing(standing: WorkflowStanding) -> str:
    """Return a line on how far a workflow is: the word for it, workers, events, and the number of problems."""
    words = [f"{standing.standing}:", f"{standing.workers.n_taking} worker(s) take events"]
    if (events := standing.events) is not None:
        failed = f", {events.n_failed} failed" if events.n_failed else ""
        words.append(f"{events.n_done} of {events.n_all} events done{failed}")
    if standing.problems:
        words.append(f"{len(standing.problems)} problem(s): {standing.problems[0].text}")
    return "  ".join(words)
