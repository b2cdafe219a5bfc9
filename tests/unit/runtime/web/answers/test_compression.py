"""Large answers are compressed for clients that accept it."""

import gzip
import json

import pytest
from starlette.responses import Response

from runtime.web.answers.compression import MIN_BYTES, accepts_gzip, compress_answer
from runtime.web.answers.etags import add_etag
from runtime.web.route import answer_json

LARGE = {"rows": ["0123456789"] * MIN_BYTES}


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("br, *", True),
        ("GZIP", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("identity", False),
    ],
)
def test_the_header_says_whether_the_client_takes_gzip(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


async def test_a_large_answer_is_compressed_and_holds_the_same() -> None:
    answer = await compress_answer(add_etag(answer_json(LARGE), ""), "gzip")
    assert json.loads(gzip.decompress(bytes(answer.body))) == LARGE
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["etag"].startswith('W/"')


async def test_the_weak_etag_of_a_compressed_answer_is_known_again() -> None:
    etag = (await compress_answer(add_etag(answer_json(LARGE), ""), "gzip")).headers["etag"]
    assert add_etag(answer_json(LARGE), etag).status_code == 304


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        (lambda: answer_json({"small": 1}), "gzip"),
        (lambda: answer_json(LARGE), ""),
        (lambda: Response(b"x" * 2 * MIN_BYTES, media_type="image/png"), "gzip"),
        (lambda: Response(b"x" * 2 * MIN_BYTES, media_type="text/css", headers={"Content-Encoding": "br"}), "gzip"),
    ],
)
async def test_other_answers_stay_as_they_are(answer: object, accepted: str) -> None:
    made: Response = answer()  # type: ignore[operator]  # parametrize erases the type
    before = bytes(made.body)
    after = await compress_answer(made, accepted)
    assert bytes(after.body) == before
    assert after.headers.get("content-encoding") != "gzip"


async def test_an_answer_keeps_what_else_it_varies_by() -> None:
    answer = answer_json(LARGE)
    answer.headers["Vary"] = "Accept"
    assert (await compress_answer(answer, "gzip")).headers["vary"] == "Accept, Accept-Encoding"
