"""Show why a workflow stands as it does. (core)"""

from rich.text import Text

from schemas.api.explanation import Explanation
from schemas.explain.cause_entry import Severity

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
