"""How a workflow ends by itself: the words for it, and the bodies of its REST routes."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from schemas.fleet.objects import Object
from schemas.stored_enum import StoredEnum


class Completion(StoredEnum):
    """How a workflow ended by itself. Dead letters and missing results are failures."""

    DONE = "done"
    DONE_WITH_FAILURES = "done with failures"


def outcome_words(deactivated: str | None, completion: str | None) -> str:
    """Return how a workflow ended: `done`, `done with failures`, `finished` or `aborted`; empty if it has not ended.

    `done` and `done with failures` mean that the workflow ended by itself; the others, that a user ended it.
    """
    return str(completion or deactivated or "").lower()


class ExpectedResults(Object):
    """The body of POST /workflows/{id}/expected-results: the workflow ends when `n` results have arrived."""

    n: Annotated[int, Field(strict=True, ge=1, le=2**53)]
    count_failures: Annotated[bool, Field(description="Whether a dead letter counts as a result.")] = False


class Ending(Object):
    """Whether and how a workflow ends by itself.

    GET /workflows/{id}/ending answers with this, and so do the routes that change it.
    """

    workflow_id: str
    inputs_closed_at: datetime | None
    expected_results: int | None
    count_failures: bool
    #: How the workflow ended by itself; null if it has not ended, or if a user ended it.
    completion: Completion | None
    #: How many dead letters the workflow had at that end.
    n_dead: int | None
    #: How many results had arrived at that end; null if no number was expected.
    n_results: int | None = None
    #: Why the workflow is not plainly done, for example `27 of 30 expected results`; empty if it is plainly done.
    reason: str = ""
    #: Whether all results have arrived in the public queues, so that no more will come.
    has_all_results: bool
