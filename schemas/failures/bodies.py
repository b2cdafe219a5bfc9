"""The REST bodies for failures: attempts, errors and dead letters."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.failures.dead_letters import LETTER_ID, MAX_LETTERS_AT_ONCE, DeadLetter, LetterAudit, LetterGroup
from schemas.failures.history import Attempt, ErrorGroup


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class Attempts(_Answer):
    """Failed attempts, the newest first."""

    attempts: list[Attempt]
    next_before: str | None = Field(description="The `before` with which to ask for older ones; null at the end.")


class Errors(_Answer):
    """A workflow's errors by task and signature, the most frequent first."""

    errors: list[ErrorGroup]


class DeadLetters(_Answer):
    """Dead letters, the oldest first."""

    dead_letters: list[DeadLetter]
    next_after: str | None = Field(description="The `after` with which to ask for more; null at the end.")
    n_letters: int = Field(description="How many the workflow has in all.")


class DeadLetterGroups(_Answer):
    """Dead letters by task and signature, the largest group first."""

    groups: list[LetterGroup]
    n_letters: int = Field(description="How many the workflow has in all.")


class DeadLetterSeen(_Answer):
    """A dead letter with its headers, and the failed attempts at its event, the newest first."""

    dead_letter: DeadLetter
    attempts: list[Attempt]


class DeadLetterOrders(_Answer):
    """Who has replayed and discarded dead letters, the newest first."""

    orders: list[LetterAudit]


class LettersRequest(BaseModel):
    """Which dead letters: by their names, all, or those that match every field that is given. The oldest come first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    letters: list[Annotated[str, Field(pattern=f"^{LETTER_ID}$")]] | None = Field(
        None, min_length=1, max_length=MAX_LETTERS_AT_ONCE
    )
    all: bool = False
    task_id: Annotated[str, Field(max_length=256)] | None = None
    signature: Annotated[str, Field(max_length=256)] | None = None
    event_id: Annotated[str, Field(max_length=256)] | None = None


class LettersHandled(_Answer):
    """What has become of the letters."""

    n_done: int
    n_missing: int = Field(description="Letters of the request that were not there (any more).")
    n_left: int = Field(description="How many more match: send the request again for these.")
    n_refused: int = Field(0, description="Letters that cannot be handled; they stay dead.")
    refused: str = Field("", description="Why the first of these cannot.")
    stopped: str = Field(description="Why it stopped before all were tried; empty if it did not.")
