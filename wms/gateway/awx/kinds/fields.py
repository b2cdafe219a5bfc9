"""The words of the models of kinds: each annotation says how a client writes the field, each `Field` what it is. (core)

A kind has one model of all fields that its objects show:

    class LabelModel(NamedModel):
        organization: Key = writable("The organization of this label.")

`Key` is the id of another object, `Keys` a list of ids, `Variables` an object that travels as a text, and `Data` one
that travels as itself. Other fields have plain types: `str`, `int`, `bool`, `datetime`, an enum for a choice.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from schemas.lazy_model import LazyModel

#: The id of another object; the `awx` command also takes its name.
Key = Annotated[int | None, "id"]
#: The ids of several objects.
Keys = Annotated[list[int], "list_of_ids"]
#: An object, sent and shown as the text of JSON or YAML.
Variables = Annotated[str, "json"]
#: An object, sent and shown as it is.
Data = Annotated[dict[str, Any], "json"]
#: The marks of a field that only the server sets, and of one that no answer shows.
READ_ONLY, WRITE_ONLY = "read_only", "write_only"


def shown(text: str) -> Any:
    """Return a field that only the server sets. `text` says what it is."""
    return Field(None, description=text, json_schema_extra={READ_ONLY: True})


def writable(text: str, default: Any = None) -> Any:
    """Return a field that a client may set; without it, it is `default`."""
    return Field(default, description=text)


def required(text: str) -> Any:
    """Return a field without which a client cannot create an object."""
    return Field(description=text)


def unshown(text: str) -> Any:
    """Return a field that a client may set and that no answer shows."""
    return Field(None, description=text, json_schema_extra={WRITE_ONLY: True})


class KindModel(LazyModel):
    """The fields of the objects of all kinds."""

    model_config = ConfigDict(frozen=True)

    id: int = shown("The number of this object.")
    type: str = shown("The word for its kind.")
    url: str = shown("Its path.")
    related: Data = shown("Paths of what belongs to it, by name.")
    summary_fields: Data = shown("The most important facts about what belongs to it.")
    created: datetime = shown("When it was created.")
    modified: datetime = shown("When it was last changed.")


class NamedModel(KindModel):
    """The fields of the objects that have a name."""

    name: str = required("Its name.")
    description: str = writable("What it is for.", "")


class EmptyBody(BaseModel):
    """The body of a request that needs none."""


class CopyBody(BaseModel):
    """What a copy needs."""

    name: str = required("The name of the copy.")
