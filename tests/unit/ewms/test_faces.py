"""The client has two faces, with and without `await`: they have the same names, take the same and say the same."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ewms.aio import AsyncClient
from ewms.catalogue.async_catalogue import AsyncCatalogueClient
from ewms.catalogue.plain_catalogue import CatalogueClient
from ewms.client import Client, Run
from ewms.inventories.async_hosts import AsyncHostClient
from ewms.inventories.async_inventories import AsyncInventoryClient
from ewms.inventories.plain_hosts import HostClient
from ewms.inventories.plain_inventories import InventoryClient
from ewms.jobs.async_jobs import AsyncHostJobClient
from ewms.jobs.plain_jobs import HostJobClient
from ewms.operators.async_operators import AsyncOperatorClient
from ewms.operators.plain_operators import OperatorClient
from ewms.processes.async_processes import AsyncProcesses, AsyncProcessRun
from ewms.processes.async_subscriptions import AsyncSubscriptionClient
from ewms.processes.plain_processes import Processes, ProcessRun
from ewms.processes.plain_subscriptions import SubscriptionClient
from ewms.queue_client import Publisher, Queue, Results
from ewms.queues.publisher import AsyncPublisher
from ewms.queues.queue import AsyncQueue
from ewms.queues.results import AsyncResults
from ewms.secrets.async_secrets import AsyncSecretClient
from ewms.secrets.plain_secrets import SecretClient
from ewms.trees.async_schedules import AsyncScheduleClient
from ewms.trees.async_trees import AsyncTreeClient, AsyncTreeRun
from ewms.trees.plain_schedules import ScheduleClient
from ewms.trees.plain_trees import TreeClient, TreeRun
from ewms.workflows.plain_views import WorkflowViews
from ewms.workflows.run import AsyncRun
from ewms.workflows.views import AsyncWorkflowViews

FACES: tuple[tuple[type, type], ...] = (
    (Client, AsyncClient),
    (Run, AsyncRun),
    (Queue, AsyncQueue),
    (Publisher, AsyncPublisher),
    (Results, AsyncResults),
    (Processes, AsyncProcesses),
    (SubscriptionClient, AsyncSubscriptionClient),
    (ProcessRun, AsyncProcessRun),
    (TreeClient, AsyncTreeClient),
    (TreeRun, AsyncTreeRun),
    (ScheduleClient, AsyncScheduleClient),
    (InventoryClient, AsyncInventoryClient),
    (HostClient, AsyncHostClient),
    (CatalogueClient, AsyncCatalogueClient),
    (HostJobClient, AsyncHostJobClient),
    (SecretClient, AsyncSecretClient),
    (OperatorClient, AsyncOperatorClient),
    (WorkflowViews, AsyncWorkflowViews),
)

#: How the face without `await` writes what the other has.
IN_PLAIN = {asynchronous.__name__: plain.__name__ for plain, asynchronous in FACES} | {
    "collections.abc.AsyncIterator": "collections.abc.Iterator"
}

#: What the face without `await` does with the other one, and no program needs.
BETWEEN_THE_FACES = {
    AsyncPublisher: {"prepare_event", "raise_failures", "start_sending"},
    AsyncResults: {"begin_event", "end_event", "is_open", "n_taken", "settle", "settle_here", "wait_for_arrival"},
}


def find_names(face: type) -> set[str]:
    """Return the public names of a class: those in its body, and the attributes that its methods set."""
    sources = [inspect.getsource(base) for base in face.__mro__[:-1]]
    set_on_instances = [name for source in sources for name in re.findall(r"\bself\.(\w+)(?:: [^=\n]+)? = ", source)]
    return {name for name in {*dir(face), *set_on_instances} if not name.startswith("_")}


def find_methods() -> Iterator[Any]:
    """Find each method that both faces have."""
    for plain, asynchronous in FACES:
        for name in ("__init__", *sorted(find_names(plain))):
            method, other = getattr(plain, name, None), getattr(asynchronous, name, None)
            # Only a client is made by a program; the others come from it.
            if inspect.isfunction(method) and inspect.isfunction(other) and (name != "__init__" or plain is Client):
                yield pytest.param(method, other, id=f"{plain.__name__}.{name}")


def describe_signature(method: Callable[..., object]) -> str:
    """Return a method's signature as text, in the words of the face without `await`."""
    signature = inspect.signature(method)
    # One face names its classes as text, the other as they are.
    text = str(signature).replace("'", "")
    for module in {face.__module__ for faces in FACES for face in faces}:
        text = text.replace(f"{module}.", "")
    for word, plain in IN_PLAIN.items():
        text = text.replace(word, plain)
    # A generator of one face is closed by `aclose`, that of the other by itself.
    return re.sub(r"collections\.abc\.AsyncGenerator\[(.*), None\]", r"collections.abc.Iterator[\1]", text)


@pytest.mark.parametrize(("plain", "asynchronous"), FACES, ids=lambda face: face.__name__)
def test_both_faces_have_the_same_names(plain: type, asynchronous: type) -> None:
    theirs = find_names(asynchronous) - BETWEEN_THE_FACES.get(asynchronous, set())
    assert find_names(plain) == theirs


@pytest.mark.parametrize(("method", "other"), list(find_methods()))
def test_a_method_takes_and_returns_the_same_in_both_faces(
    method: Callable[..., object], other: Callable[..., object]
) -> None:
    assert describe_signature(method) == describe_signature(other)


@pytest.mark.parametrize(("method", "other"), list(find_methods()))
def test_a_method_is_described_by_the_same_first_line_in_both_faces(
    method: Callable[..., object], other: Callable[..., object]
) -> None:
    if method.__name__ != "__init__":
        ours, theirs = (inspect.getdoc(one) or "" for one in (method, other))
        assert ours.partition("\n")[0] == theirs.partition("\n")[0] != ""
