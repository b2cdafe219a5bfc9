"""Bytes into the inboxes: whatever arrives ends handled, dead or parked, and nobody crashes over it."""

import copy
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pika
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika.adapters.blocking_connection import BlockingChannel

from deploy.local.choices.launch_options import SCHEDD
from deploy.local.system.stack import Stack
from schemas.broker import topology
from schemas.errors import Rejected
from schemas.events import UnknownType
from schemas.wire import answer_from_bytes, event_from_bytes, request_from_bytes
from tests.examples import part_of_examples
from tests.fuzz.conftest import FUZZ

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"
EVENTS = {path.stem: json.loads(path.read_text()) for path in sorted((GOLDEN / "events").glob("*.json"))}
REQUESTS = {path.stem: json.loads(path.read_text()) for path in sorted((GOLDEN / "requests").glob("*.json"))}

SERVICES = ("wms", "mqs", topology.tms_service(SCHEDD))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield from _places(inner, (*path, name))


@st.composite
def mutated(draw: st.DrawFn, originals: dict[str, Any]) -> bytes:
    """Return a message that was a good one, or never was one."""
    message = copy.deepcopy(originals[draw(st.sampled_from(sorted(originals)))])
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(message))
        if not places:
            break
        *path, last = draw(st.sampled_from(places))
        at = message
        for step in path:
            at = at[step]
        match draw(st.sampled_from(["replace", "delete", "add"])):
            case "replace":
                at[last] = draw(json_values)
            case "delete":
                del at[last]
            case "add" if isinstance(at, dict):
                at[draw(st.text(max_size=8))] = draw(json_values)
    body = json.dumps(message).encode()
    match draw(st.sampled_from(["keep", "keep", "keep", "cut", "flip", "noise", "nest"])):
        case "cut":
            return body[: draw(st.integers(0, len(body)))]
        case "flip":
            at_byte = draw(st.integers(0, len(body) - 1))
            return body[:at_byte] + bytes([draw(st.integers(0, 255))]) + body[at_byte + 1 :]
        case "noise":
            return draw(st.binary(max_size=200))
        case "nest":
            return b"[" * draw(st.sampled_from([10, 2_000, 200_000]))
    return body


@given(body=mutated(EVENTS) | mutated(REQUESTS) | st.binary(max_size=100))
@settings(FUZZ, max_examples=part_of_examples(4))
def test_bytes_are_a_message_or_are_refused(body: bytes) -> None:
    # Whatever else a decoder may raise fails this.
    for read in (event_from_bytes, request_from_bytes, answer_from_bytes):
        with suppress(Rejected):
            read(body)


@contextmanager
def _channel(stack: Stack, user: str) -> Iterator[BlockingChannel]:
    url = stack.services.rabbitmq.amqp_url(user, topology.CONTROL_VHOST)
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        yield connection.channel()
    finally:
        connection.close()


def _depth(stack: Stack, service: str, queue: str) -> int:
    with _channel(stack, service) as channel:
        n_messages: int = channel.queue_declare(queue, passive=True).method.message_count
        return n_messages


def _fate(body: bytes) -> str:
    try:
        event_from_bytes(body)
    except UnknownType:
        return "parked"
    except Rejected:
        return "dead"
    return "event"


@pytest.mark.parametrize("service", SERVICES)
@given(bodies=st.lists(mutated(EVENTS), min_size=40, max_size=40))
@settings(FUZZ, max_examples=part_of_examples(0.06))
def test_an_inbox_empties_itself_of_whatever_is_in_it(contract_stack: Stack, service: str, bodies: list[bytes]) -> None:
    dead, parked = topology.dead_inbox(service), topology.parked_inbox(service)
    before = {queue: _depth(contract_stack, service, queue) for queue in (dead, parked)}
    fates = [_fate(body) for body in bodies]
    with _channel(contract_stack, "wms") as channel:
        channel.confirm_delivery()
        for number, body in enumerate(bodies):
            channel.basic_publish(
                topology.CONTROL_EXCHANGE,
                f"{service}.fuzz",
                body,
                pika.BasicProperties(
                    content_type="application/cloudevents+json",
                    delivery_mode=2,
                    message_id=f"{time.time_ns()}-{number}",
                ),
                mandatory=True,
            )
    expected = {dead: before[dead] + fates.count("dead"), parked: before[parked] + fates.count("parked")}
    deadline = time.monotonic() + 20
    while True:
        # A service also refuses an event for what it says, and parks one that it has no handler for.
        found = {queue: _depth(contract_stack, service, queue) for queue in (dead, parked)}
        done = all(found[queue] >= expected[queue] for queue in (dead, parked))
        if done and _depth(contract_stack, service, topology.inbox_queue(service)) == 0:
            break
        assert time.monotonic() < deadline, (found, expected)
        time.sleep(0.1)
    assert sum(found.values()) <= sum(before.values()) + len(bodies)
