import base64
import json

from schemas.broker.queue_format import Wire
from schemas.broker.token_claims import read_wire


def token(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"h.{body}.s"


def test_a_token_names_the_format_of_its_queue() -> None:
    assert read_wire(token({"ewms_wire": "legacy"})) is Wire.LEGACY
    for said in ({}, {"ewms_wire": "ewms"}, {"ewms_wire": ["legacy"]}, [1]):
        assert read_wire(token(said)) is Wire.EWMS
    assert read_wire("no token") is Wire.EWMS
