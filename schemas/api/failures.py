"""The REST bodies for failures: attempts, errors and dead letters."""

from typing import Annotated

from pydantic import ConfigDict, Field

from schemas.attempts.dead_letters import LETTER_ID, MAX_LETTERS_AT_ONCE, DeadLetter, LetterAudit, LetterGroup
from schemas.attempts.failed_history import Attempt, ErrorGroup
from schemas.lazy_model import LazyModel


class _Answer(LazyModel):
    model_config = ConfigDict(frozen=True)


class Attempts(_Answer):
    """Failed attempts, the newest first."""

    attempts: list[Attempt]
    next_before: str | None = Field(description="The value of `before` for the next, older page; null at the end.")


class Errors(_Answer):
    """A workflow's errors by task and signature, the most frequent first."""

    errors: list[ErrorGroup]


class DeadLetters(_Answer):
    """Dead letters, the oldest first."""

    dead_letters: list[DeadLetter]
    next_after: str | None = Field(description="The value of `after` for the next page; null at the end.")
    n_letters: int = Field(description="How many the workflow has in all.")


class DeadLetterGroups(_Answer):
    """The numbers of a workflow's dead letters, grouped by task and signature, the largest group first."""

    groups: list[LetterGroup]
    n_letters: int = Field(description="How many the workflow has in all.")


class DeadLetterSeen(_Answer):
    """A dead letter with its headers, and the failed attempts at its event, the newest first."""

    dead_letter: DeadLetter
    attempts: list[Attempt]


class DeadLetterOrders(_Answer):
    """The orders to replay and discard dead letters, with the user of each, the newest first."""

    orders: list[LetterAudit]


class LettersRequest(LazyModel):
    """A choice of dead letters: by name, all, or those that match all given fields. The oldest letters come first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    letters: list[Annotated[str, Field(pattern=f"^{LETTER_ID}$")]] | None = Field(
        None, min_length=1, max_length=MAX_LETTERS_AT_ONCE
    )
    all: bool = False
    task_id: Annotated[str, Field(max_length=256)] | None = None
    signature: Annotated[str, Field(max_length=256)] | None = None
    event_id: Annotated[str, Field(max_length=256)] | None = None


class LettersHandled(_Answer):
    """How many letters the request has handled, and how many letters do not exist."""

    n_done: int
    n_missing: int = Field(description="Letters of the request that do not exist, or no longer.")
    n_left: int = Field(description="How many more letters match: send the request again for these.")
    n_refused: int = Field(0, description="How many letters MQS cannot handle; they stay dead.")
    refused: str = Field("", description="Why MQS cannot handle the first of these.")
    stopped: str = Field(description="Why MQS stopped before it had tried all; empty if it did not stop.")
