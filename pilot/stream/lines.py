"""Turn events into lines of a warm task's standard input, and lines of its output into answers. (core)

    {"id":"9f1c...","attempt":1,"data":<the event's JSON>}    in
    {"id":"9f1c...","data":<any JSON>}                        out: done, with an output
    {"id":"9f1c..."}                                          out: done, without output
    {"id":"9f1c...","error":"text"}                           out: failed; the container runs on

All lines are UTF-8. The pilot sends the event's JSON unchanged, but with blanks for line breaks, so no number loses a
digit on the way in. The pilot writes the output's JSON anew with Python's numbers: integers stay exact, all other
numbers become doubles. In both directions the pilot refuses NaN and the infinities (`schemas.payloads.json_text`). In
an answer it also refuses a number that is too large for a double.
"""

import json
from typing import Any

from pilot.containers.task_interface import RunOutcome
from pilot.failures.container_failures import task_said
from pilot.failures.error_text import one_line
from pilot.failures.event_failures import answer_too_long, codec_missing, invalid_answer, invalid_infile
from pilot.failures.failure import Failure
from pilot.failures.secret_mask import SecretMask
from schemas.broker.topology import MAX_EVENT_BYTES
from schemas.payloads import legacy_wire
from schemas.payloads.data_events import JSON, DataEvent
from schemas.payloads.json_text import NestedTooDeeply, dump_json, load_json

#: The longest answer: the largest body of an event, with an id and some braces around it.
MAX_LINE_BYTES = MAX_EVENT_BYTES + 4096

_COMPACT = (",", ":")
_NO_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


def build_request(event: DataEvent, attempt: int) -> bytes | Failure:
    """Return the line for the `attempt`-th attempt (from 1) at `event`.

    Return a failure if the event is too large, not JSON, or not readable on this worker.
    """
    if len(event.body) > MAX_EVENT_BYTES:
        return invalid_infile(f"the event has {len(event.body)} bytes; the limit is {MAX_EVENT_BYTES}")
    if legacy_wire.is_legacy(event.body, event.content_type):
        data = _legacy_json(event.body)
        if isinstance(data, Failure):
            return data
    else:
        try:
            load_json(event.body)
        except ValueError as error:
            return invalid_infile(
                f"the event is not JSON ({str(error)[:200]}), but a warm task takes only JSON: "
                "send JSON, or unset EWMS_PILOT_TASK_MODE"
            )
        # In JSON a raw line break is only blank space: a string writes it as \n.
        data = event.body.translate(_NO_LINE_BREAKS)
    return b'{"id":%b,"attempt":%d,"data":%b}\n' % (json.dumps(event.id).encode(), attempt, data)


def parse_answer(line: bytes, event_id: str, mask: SecretMask | None = None) -> RunOutcome | Failure:
    """Return the outcome that a warm task's answer states. Return a failure if the answer breaks the rules above.

    `mask` hides secrets in the error that an answer states.
    """
    if len(line) > MAX_LINE_BYTES:
        return answer_too_long(MAX_LINE_BYTES)
    try:
        said = load_json(line)
    except ValueError:
        return invalid_answer(
            "is not JSON", "write one line of JSON for each event to standard output, and nothing else there"
        )
    if not isinstance(said, dict) or "id" not in said:
        return invalid_answer('is not a JSON object with an "id"', 'write {"id": the event\'s, "data": the output}')
    if said["id"] != event_id:
        return invalid_answer("has another id than the event", "answer each line once, in order, with the event's id")
    try:
        if (error := said.get("error")) is not None:
            text = error if isinstance(error, str) else _encode_json(error).decode()
            return RunOutcome(failure=task_said(*one_line(mask.mask_text(text) if mask is not None else text)))
        if "data" not in said:
            return RunOutcome()
        output = _encode_json(said["data"])
    except NotFinite:
        return invalid_answer("has a number that is too large for a double", "write such a number as a text")
    except NestedTooDeeply:
        return invalid_answer("is nested too deeply", "write a flatter value")
    if len(output) > MAX_EVENT_BYTES:
        return RunOutcome(failure=answer_too_long(MAX_EVENT_BYTES))
    return RunOutcome(output, JSON)


def unasked_failure() -> Failure:
    """Return the failure of a task that wrote to standard output between two events."""
    return invalid_answer(
        "came without a request", "write one line to standard output for each line of input, and nothing else"
    )


class NotFinite(ValueError):
    """A number that JSON cannot represent, because it is infinite or NaN."""


def _encode_json(value: Any) -> bytes:
    try:
        return dump_json(value)
    except NestedTooDeeply:
        raise
    except ValueError as error:  # 1e400 was read as infinity
        raise NotFinite(str(error)) from error


def _legacy_json(body: bytes) -> bytes | Failure:
    try:
        return json.dumps(legacy_wire.decode_legacy(body).data, separators=_COMPACT, allow_nan=False).encode()
    except legacy_wire.Undecodable as error:
        return invalid_infile(error.reason)
    except legacy_wire.CodecMissing as error:
        return codec_missing(error.reason)
    except (ValueError, RecursionError) as error:
        return invalid_infile(f"the event cannot be written as a line: {type(error).__name__}")
