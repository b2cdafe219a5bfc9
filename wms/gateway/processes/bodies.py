"""The bodies that the dialect "processes" takes, and what it says about one that does not fit."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic_core import ErrorDetails

from runtime.web.answers.problems import make_bad_body
from schemas.errors import Rejected, Unprocessable

MAX_PAGES = 100
MAX_NOTE = 5000
#: The longest name, correlation or id of an event.
MAX_NAME = 255


class PagesBody(RootModel[Annotated[list[dict[str, Any]], Field(max_length=MAX_PAGES)]]):
    """The pages of a form as the user has filled them in, the first one first."""


class CallbackBody(RootModel[Any]):
    """The answer of another system to a callback: any JSON."""


class EventBody(BaseModel):
    """An event from outside, for processes that wait for it."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME, description="The event that steps wait for")]
    correlation: Annotated[
        str, Field(max_length=MAX_NAME, description="Only steps that wait with this value get the event")
    ] = ""
    body: Annotated[Any, Field(description="Any JSON: the state of the process gets it")] = None
    id: Annotated[
        str,
        Field(
            max_length=MAX_NAME,
            description="The event's own id: the same event again changes nothing. By default, "
            "each request is a new event",
        ),
    ] = ""


class NoteBody(BaseModel):
    """The text of a note that a person writes about a process."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(max_length=MAX_NOTE)]


class LockBody(BaseModel):
    """A request to lock the engine, so that no new step begins, or to unlock it."""

    model_config = ConfigDict(extra="forbid")

    global_lock: bool


class AbortBody(BaseModel):
    """The reason why a person aborts a process."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=MAX_NOTE)] = ""


class BadPages(Unprocessable):
    """The body is not a list of pages. No worker has looked at what the pages say."""


def explain_pages(errors: Sequence[ErrorDetails], body: Any) -> Rejected:
    """Return the error about a body that is no list of pages: 422, unlike a page that does not fit its form."""
    plain = make_bad_body(errors, body)
    reason = f"the body must be a list of pages: {plain.reason}"
    return BadPages(reason, hint="send a list with one object for each page of the form; no form: [{}]")
