from ewms.queues.payloads import Event, RecentIds
from schemas.ids import EventId
from schemas.payloads.data_events import BINARY, JSON, DataEvent, Header
from schemas.payloads.legacy_wire import MAGIC
from schemas.payloads.legacy_wire import encode_legacy as pack


def test_an_event_tells_its_parent_and_attempt() -> None:
    data = DataEvent(b"7", EventId("e"), JSON, {Header.PARENT: "p", Header.DELIVERY_COUNT: 2})
    event = Event.from_data_event(data)
    assert (event.body, event.raw, event.parent, event.attempt) == (7, b"7", "p", 3)


def test_old_ids_are_forgotten_and_events_without_one_are_never_repeats() -> None:
    recent = RecentIds(capacity=2)
    for id_ in ("a", "b", "a", "c"):
        recent.add_id(id_)
    assert ("a" in recent, "b" in recent, "c" in recent) == (True, False, True)
    recent.add_id("")
    assert "" not in recent


def test_an_existing_clients_event_is_unpacked_and_one_that_cannot_be_comes_as_it_is() -> None:
    event = Event.from_data_event(DataEvent(pack([1]), EventId(""), ""))
    assert (event.body, event.content_type) == ([1], "")
    assert Event.from_data_event(DataEvent(MAGIC + b"?", EventId(""), "")).body == MAGIC + b"?"
    assert Event.from_data_event(DataEvent(pack([1]), EventId(""), BINARY)).body == pack([1]), (
        "a file that happens to be zstd"
    )
