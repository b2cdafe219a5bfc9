"""What a producer writes today is what was agreed, byte for byte; and what was agreed is what a consumer reads."""

import json
from pathlib import Path

import pytest

from schemas.broker.services import SERVICES
from schemas.broker.topology import inbox_pattern, pool_service, tms_service
from schemas.errors import Rejected
from schemas.events import PAYLOADS, ControlEvent, Fact, Order, UnknownType, list_fact_keys
from schemas.pilot.outcome_reading import outcome_from_bytes, piece_from_bytes
from schemas.wire import answer_from_bytes, event_from_bytes, request_from_bytes
from tests.contract import samples
from tests.contract.question_samples import ANSWERS, REQUESTS
from tests.contract.sample_objects import SCHEDD

FILES = samples.golden_files()


def _label(value: object) -> str:
    return value.name if isinstance(value, Path) else ""


@pytest.mark.parametrize(("path", "body"), FILES.items(), ids=_label)
def test_a_producer_writes_the_golden_bytes(path: Path, body: bytes) -> None:
    assert json.loads(path.read_bytes()) == json.loads(body)


def test_there_is_a_golden_file_for_every_event_type_and_no_other() -> None:
    named = {f"ewms.{path.stem}" for path in (samples.GOLDEN / "events").iterdir()}
    # Tests may define payloads of their own.
    assert named == {kind for kind, payload in PAYLOADS.items() if payload.__module__.startswith("schemas.")}


@pytest.mark.parametrize("name", samples.EVENTS)
def test_a_consumer_reads_the_golden_event_as_it_was_meant(name: str) -> None:
    assert event_from_bytes((samples.GOLDEN / "events" / f"{name}.json").read_bytes()) == samples.EVENTS[name]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: r.kind)
def test_mqs_reads_the_golden_request(request_: object) -> None:
    path = samples.GOLDEN / "requests" / f"{request_.kind}.query.json"  # type: ignore[attr-defined]  # a union
    assert request_from_bytes(path.read_bytes()) == request_


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: a.kind)
def test_an_asker_reads_the_golden_answer(answer: object) -> None:
    path = samples.GOLDEN / "requests" / f"{answer.kind}.answer.json"  # type: ignore[attr-defined]  # a union
    assert answer_from_bytes(path.read_bytes()) == answer


@pytest.mark.parametrize("name", samples.EVENTS)
def test_a_field_of_the_next_version_is_ignored(name: str) -> None:
    raw = json.loads((samples.GOLDEN / "events" / f"{name}.json").read_bytes())
    raw["nextattribute"] = 1
    raw["data"]["next_field"] = {"x": [1]}
    assert event_from_bytes(json.dumps(raw).encode()) == samples.EVENTS[name]


@pytest.mark.parametrize("name", samples.EVENTS)
def test_every_required_field_of_a_payload_is_really_required(name: str) -> None:
    raw = json.loads((samples.GOLDEN / "events" / f"{name}.json").read_bytes())
    payload = type(samples.EVENTS[name].data)
    for field, info in payload.model_fields.items():
        if not info.is_required() or field not in raw["data"]:
            continue
        without = {**raw, "data": {k: v for k, v in raw["data"].items() if k != field}}
        with pytest.raises(Rejected, match=field):
            event_from_bytes(json.dumps(without).encode())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"type": "ewms.taskforce.unheard-of"}, UnknownType),
        ({"dataschema": "ewms:workflow.over:2"}, UnknownType),
        ({"specversion": "2.0"}, Rejected),
        ({"id": ""}, Rejected),
        ({"time": "yesterday"}, Rejected),
        ({"time": "2026-11-21T08:00:00"}, Rejected),
        ({"data": []}, Rejected),
        ({"data": None}, Rejected),
    ],
)
def test_what_is_wrong_with_an_envelope_is_told_apart(change: dict[str, object], error: type[Rejected]) -> None:
    raw = json.loads((samples.GOLDEN / "events" / "workflow.over.json").read_bytes()) | change
    with pytest.raises(Rejected) as caught:
        event_from_bytes(json.dumps(raw).encode())
    assert type(caught.value) is error


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"specversion":"1.0"}'])
def test_bytes_that_hold_no_event_are_rejected_without_a_traceback(body: bytes) -> None:
    with pytest.raises(Rejected):
        event_from_bytes(body)


ORDERS = {name: event for name, event in samples.EVENTS.items() if isinstance(event.data, Order)}


@pytest.mark.parametrize("event", ORDERS.values(), ids=ORDERS)
def test_every_order_is_routed_to_the_one_inbox_it_names(event: object) -> None:
    services = ["wms", "mqs", tms_service(SCHEDD), tms_service("another.example.org")]
    services += [pool_service("default"), pool_service("another.pool")]
    key = event.routing_key  # type: ignore[attr-defined]  # parametrize loses the type
    taken_by = [s for s in services if (key + ".").startswith(inbox_pattern(s).removesuffix("#"))]
    assert len(taken_by) == 1


@pytest.mark.parametrize("event", [event for event in samples.EVENTS.values() if isinstance(event.data, Fact)])
def test_a_fact_has_a_key_of_its_own_and_is_its_owners_alone_to_state(event: ControlEvent) -> None:
    assert event.routing_key == event.type.removeprefix("ewms.")
    assert event.routing_key.startswith("fact.")
    assert [name for name in SERVICES if event.routing_key in list_fact_keys(name)] == [event.data.BY]  # type: ignore[attr-defined]  # a fact


def test_a_reader_reads_the_golden_outcome_and_log_piece_as_they_were_meant() -> None:
    assert outcome_from_bytes((samples.GOLDEN / "pilot" / "outcome.json").read_bytes()) == samples.OUTCOME
    assert piece_from_bytes((samples.GOLDEN / "pilot" / "log_piece.json").read_bytes()) == samples.LOG_PIECE


def test_no_event_carries_a_token() -> None:
    for name in samples.EVENTS:
        assert b"token" not in (samples.GOLDEN / "events" / f"{name}.json").read_bytes()
