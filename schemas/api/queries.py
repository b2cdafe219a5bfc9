"""Bodies of the query routes: a filter, and a page of the objects that match. Source: contract, sections 1.1 to 1.5."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from schemas.api.fields import UNIQUE, Unique, make_optional
from schemas.fleet.objects import Object, TaskDirective, Taskforce, Workflow


class Query(Object):
    """FindObject: a filter, the fields to return, and where the last page ended."""

    query: dict[str, Any]
    projection: Annotated[list[str], Field(min_length=1, max_length=200, json_schema_extra=UNIQUE), Unique] | None = (
        None
    )
    after: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")] | None = None


#: The fields of an object that a projection selects.
Part = dict[str, Any]


class WorkflowFound(Workflow):
    """A workflow that a query has found. With `?include=outcome` it has one more field."""

    model_config = ConfigDict(json_schema_extra=make_optional("outcome"))

    outcome: Annotated[
        str | None,
        Field(description="`done`, `done with failures`: by itself; `finished`, `aborted`: by a user; null: not yet."),
    ] = None


class WorkflowsFound(Object):
    """The answer of POST /query/workflows."""

    workflows: list[WorkflowFound | Part]
    next_after: str | None


class TaskDirectivesFound(Object):
    """The answer of POST /query/task-directives."""

    task_directives: list[TaskDirective | Part]
    next_after: str | None


class TaskforcesFound(Object):
    """The answer of POST /query/taskforces."""

    taskforces: list[Taskforce | Part]
    next_after: str | None
