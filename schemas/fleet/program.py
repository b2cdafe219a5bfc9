"""A task's program: what pilots run, and how. This module defines each field once, with one name in all classes.

    RequestedProgram  in TaskRequest              from the user, with rules for the values
    TaskProgram       in TaskDirectiveDocument    as stored
                      in TaskOrder                in the event `taskforce.start`, to the TMS
    ContractProgram   in TaskDirective            for users: only the contract's keys (ruling 10)

Documents and events of older versions lack new fields, so each new field needs a default.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from schemas.fleet.texts import Environment, Image, Text
from schemas.lazy_model import LazyModel


class ContractProgram(LazyModel):
    """The contract's fields of a stored program. WMS has checked the request already, so this class has no rules."""

    task_image: str
    task_args: str
    task_env: dict[str, str]
    init_image: str
    init_args: str
    init_env: dict[str, str]


class TaskProgram(ContractProgram):
    """The whole program: the contract's fields, and EWMS's own fields with defaults. Add a new field of EWMS here."""


class RequestedProgram(TaskProgram):
    """The program in a request: the rules and the defaults of the contract's fields."""

    task_image: Annotated[Image, Field(min_length=1)]
    task_args: Text
    task_env: Environment = Field(default_factory=dict)
    init_image: Image = ""
    init_args: Text = ""
    init_env: Environment = Field(default_factory=dict)


#: Field -> the kind of value, and an example in JSON, for messages to people.
PROGRAM_EXAMPLES: Mapping[str, tuple[str, str]] = {
    "task_image": ("a text", '"docker://python:3.12"'),
    "task_args": ("a text", '"reco {{INFILE}} {{OUTFILE}}"'),
    "task_env": ("an object of texts", '{"SEED": "7"}'),
    "init_image": ("a text", '"docker://python:3.12"'),
    "init_args": ("a text", '"fetch {{DATA_HUB}}"'),
    "init_env": ("an object of texts", '{"SEED": "7"}'),
}


def program_defaults() -> dict[str, Any]:
    """Return field -> default, for the fields that a request may leave out."""
    fields = RequestedProgram.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields if not field.is_required()}


def program_fields(program: TaskProgram) -> dict[str, Any]:
    """Return the fields of `program`, by name. Another model of a program can be made from them."""
    return {name: getattr(program, name) for name in TaskProgram.model_fields}
