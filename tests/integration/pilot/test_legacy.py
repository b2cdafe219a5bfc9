"""Events of existing message clients, in and out of the pilot, on the real broker."""

import json

import zstandard

from schemas.payloads.data_events import Header
from schemas.payloads.legacy_wire import decode_legacy, encode_legacy
from tests.integration.pilot.field import Field

CP = {"EWMS_PILOT_TASK_ARGS": "cp {{INFILE}} {{OUTFILE}}"}
AS_JSON = {**CP, "EWMS_PILOT_INFILE_EXT": ".json", "EWMS_PILOT_OUTFILE_EXT": ".json"}
LEGACY = {"EWMS_PILOT_QUEUE_OUTGOING_WIRE": "legacy"}


async def test_both_formats_are_taken_and_the_output_is_in_the_one_that_its_queue_is_set_to(workflow: Field) -> None:
    source, old, new = await workflow.queue(), await workflow.queue(), await workflow.queue()
    await workflow.put(source, encode_legacy({"pixel": 1}), content_type=None)
    await workflow.put(source, b'{"pixel": 2}', content_type="application/json")
    pilot = await workflow.pilot(
        {**AS_JSON, "EWMS_PILOT_QUEUE_OUTGOING_WIRE": "legacy;ewms"}, inputs=[source], outputs=[old, new]
    )
    theirs, ours = await workflow.take(old, 2), await workflow.take(new, 2)
    assert await pilot.ended() == 0, pilot.log
    assert sorted(json.loads(zstandard.decompress(message.body))["data"]["pixel"] for message in theirs) == [1, 2]
    assert all(message.content_type is None and message.message_id for message in theirs)
    assert sorted(json.loads(message.body)["pixel"] for message in ours) == [1, 2]


async def test_text_and_bytes_for_existing_clients(workflow: Field) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    await workflow.put(source, encode_legacy("a text"), content_type=None)
    await workflow.put(source, b"\xff\x00", content_type="application/octet-stream")
    pilot = await workflow.pilot({**CP, **LEGACY}, inputs=[source], outputs=[sink])
    outputs = {message.content_type: message.body for message in await workflow.take(sink, 2)}
    assert await pilot.ended() == 0, pilot.log
    assert decode_legacy(outputs[None]).data == "a text"
    assert outputs["application/octet-stream"] == b"\xff\x00", "which their format cannot hold"


async def test_what_cannot_be_unpacked_is_a_dead_letter_at_once_with_the_reason_and_its_own_bytes(
    workflow: Field,
) -> None:
    source, sink = await workflow.queue(), await workflow.queue()
    bomb = zstandard.ZstdCompressor(level=3).compress(b'{"data": "' + b"0" * (64 << 20) + b'"}')
    await workflow.put(source, bomb, content_type=None)
    pilot = await workflow.pilot(CP, inputs=[source], outputs=[sink])
    (dead,) = await workflow.dead()
    await pilot.ended()
    assert (dead.body, dead.content_type) == (bomb, None)
    assert dead.headers[Header.DEAD_REASON] == "unreadable"
    assert dead.headers[Header.DEAD_ATTEMPTS] == 1
    assert "must unpack to at most" in str(dead.headers[Header.DEAD_ERROR])
