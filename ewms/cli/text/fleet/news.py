"""Show what a stream tells of workflows, as text and as data. (core)"""

from collections.abc import Iterator
from typing import Any

from ewms.workflows.news import WorkflowChanges
from schemas.api.workflows.news import WorkflowNews


def news_lines(changes: WorkflowChanges) -> Iterator[str]:
    """Yield a line for each workflow that `changes` names."""
    for news in changes.workflows:
        yield f"{news.workflow_id}  {describe_news(news)}"
    for workflow in changes.gone:
        yield f"{workflow}  left the list: it ended more than an hour ago, or you may not see it any more"


def describe_news(news: WorkflowNews) -> str:
    """Return in a few words how a workflow stands, and why it does not move if it does not."""
    if news.outcome:
        return news.outcome
    if news.problems:
        return f"needs you: {'; '.join(news.problems)}"
    if not news.has_queues:
        return "waits for its queues"
    return "under way, its inputs are closed" if news.inputs_closed else "under way"


def changes_as_data(changes: WorkflowChanges) -> dict[str, Any]:
    """Return what the server told at one moment as JSON."""
    return {
        "id": changes.id,
        "is_whole": changes.is_whole,
        "workflows": [news.model_dump(mode="json") for news in changes.workflows],
        "gone": list(changes.gone),
    }
