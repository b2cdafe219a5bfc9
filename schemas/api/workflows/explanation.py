"""Why a workflow, a process or a tree stands as it does: the causes with what helps; and how far a workflow is."""

from typing import Annotated

from pydantic import Field

from schemas.api.queues.profiles import QueueDepth
from schemas.api.workflows.health import WorkflowProgress
from schemas.api.workflows.worker_numbers import WorkerNumbers
from schemas.causes.entry import Severity
from schemas.fleet.endings import Ending
from schemas.fleet.objects import Object


class ExplainedCause(Object):
    """One cause, with a sentence on what helps and the command to type next."""

    cause: Annotated[
        str, Field(description="The cause's name, the same in every version; docs/reference/causes.md lists all.")
    ]
    severity: Severity
    text: str
    remedy: str
    command: str = ""
    task_id: Annotated[str, Field(description="The task that it concerns; empty: the whole workflow.")] = ""
    taskforce_uuid: str = ""
    node: Annotated[
        str,
        Field(description="The step, or the node of a tree, that it concerns, after those above it: `build / test`."),
    ] = ""
    n: Annotated[int, Field(description="How many workers or events it concerns; 0: unknown, or none.")] = 0


class Explanation(Object):
    """The answer of GET /workflows/{id}/explain: the causes, the most serious first."""

    workflow_id: str
    standing: Annotated[str, Field(description="How the workflow stands in a few words, such as `stalled`.")]
    causes: list[ExplainedCause]


class ObjectExplanation(Object):
    """Why a process, a tree or another object stands as it does: the causes, the most serious first."""

    kind: Annotated[str, Field(description="What it is, in the word of its commands: `process`, `tree`, ...")]
    id: Annotated[str, Field(description="Its id in commands: the UUID of a process, the number of a tree.")]
    name: str
    standing: Annotated[str, Field(description="Its status, as other answers show it.")]
    causes: list[ExplainedCause]
    n_left_out: Annotated[int, Field(description="How many further causes there are of kinds that come often.")] = 0


class WorkflowStanding(Object):
    """The answer of GET /workflows/{id}/progress: what `ewms workflow show` prints, as data."""

    workflow_id: str
    standing: str
    phases: Annotated[dict[str, int], Field(description="Phase -> number of taskforces in it.")]
    workers: WorkerNumbers
    events: Annotated[
        WorkflowProgress | None, Field(description="How many events are done; null if the queues do not tell.")
    ]
    ending: Ending
    queues: list[QueueDepth]
    n_dead: int
    unseen: Annotated[str, Field(description="Why the queues cannot be counted now; empty if they are.")] = ""
    problems: Annotated[list[ExplainedCause], Field(description="What a person must look at, the worst first.")]
    next_step: Annotated[
        ExplainedCause | None, Field(description="What lets the run end, if only its open inputs keep it going.")
    ]
