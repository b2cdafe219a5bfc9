"""The user's door to EWMS: a Python client and the `ewms` command.

    from ewms import Client, Task, Workflow

Each name is imported at its first use: a program that only builds a `Workflow` loads neither HTTP nor AMQP.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ewms.aio import AsyncClient
    from ewms.client import Client
    from ewms.errors import (
        Aborted,
        AlreadyThere,
        CannotRun,
        DoneWithFailures,
        NotSignedIn,
        NotThere,
        OutcomeFailed,
        PublishFailed,
        Refused,
        RunStalled,
        ServerDown,
        ServerFailed,
        TimedOut,
        Unreachable,
    )
    from ewms.queues.payloads import Event
    from ewms.workflows.definition import Task, Workflow
    from schemas.errors import EWMSError
    from schemas.fleet.phases import Phase

_HOMES = {
    "AsyncClient": "ewms.aio",
    "Client": "ewms.client",
    "Event": "ewms.queues.payloads",
    "EWMSError": "schemas.errors",
    "Phase": "schemas.fleet.phases",
    "Task": "ewms.workflows.definition",
    "Workflow": "ewms.workflows.definition",
} | dict.fromkeys(
    (
        "Aborted",
        "AlreadyThere",
        "CannotRun",
        "DoneWithFailures",
        "NotSignedIn",
        "NotThere",
        "OutcomeFailed",
        "PublishFailed",
        "Refused",
        "RunStalled",
        "ServerDown",
        "ServerFailed",
        "TimedOut",
        "Unreachable",
    ),
    "ewms.errors",
)

__all__ = [
    "Aborted",
    "AlreadyThere",
    "AsyncClient",
    "CannotRun",
    "Client",
    "DoneWithFailures",
    "EWMSError",
    "Event",
    "NotSignedIn",
    "NotThere",
    "OutcomeFailed",
    "Phase",
    "PublishFailed",
    "Refused",
    "RunStalled",
    "ServerDown",
    "ServerFailed",
    "Task",
    "TimedOut",
    "Unreachable",
    "Workflow",
]


def __dir__() -> list[str]:
    """List the names that can be imported from here, without importing them."""
    return sorted({*globals(), *_HOMES} - {"Any", "TYPE_CHECKING", "import_module"})


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ewms' has no attribute {name!r}")
