"""Show why a workflow stands as it does. (core)"""

from rich.text import Text

from schemas.api.workflows.explanation import Explanation, WorkflowStanding
from schemas.causes.entry import Severity

_STYLES = {
    Severity.BLOCKED: "bold red",
    Severity.FAILING: "red",
    Severity.SLOWED: "yellow",
    Severity.PASSING: "dim",
    Severity.NOTE: "",
}


def explanation_lines(found: Explanation) -> list[Text]:
    """Return a line that says how the workflow stands, then for each cause its text, what helps, and the command."""
    lines = [Text.assemble((found.workflow_id, "cyan"), f"  {found.standing}")]
    for each in found.causes:
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
