"""Write the page of all causes: docs/reference/causes.md. A test compares the page with the table."""

from schemas.causes.table import ABOUT_WORKERS, CAUSES

_HEAD = """# Causes

`ewms workflow explain`, `GET /v1/workflows/{id}/explain` and the web page say why a workflow stands as it does. These
are all the causes that they know, written from `schemas/causes/table.py`. Words in braces stand for values.

The severities, the most serious first: `blocked`: nothing moves while this lasts, and the remedy says what ends it and
who must act; `failing`: events or workers fail; `slowed`: work goes on, but slower than it could, or less than a user
expects; `passing`: it passes by itself; `note`: nothing is wrong.

| Cause | Severity | Text | What helps |
|---|---|---|---|
"""


def write_page() -> str:
    """Return the page: a row for each cause, in the order of the table."""
    rows = [
        f"| `{cause}` | {entry.severity} | {'N worker(s) ' if cause in ABOUT_WORKERS else ''}{entry.text} "
        f"| {entry.remedy} |"
        for cause, entry in CAUSES.items()
    ]
    return _HEAD + "\n".join(row.replace("dlq replay|discard", "dlq replay or discard") for row in rows) + "\n"
