"""`ewms dlq` and `run.failures` against a real HTTP server: what they ask, and what they make of the answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from ewms import Client
from ewms.errors import AlreadyThere, NotThere
from tests.integration.ewms.conftest import WORKFLOW, Asked, FakeGateway
from tests.integration.ewms.test_command import ewms

LETTERS = f"/v1/workflows/{WORKFLOW}/dead-letters"


def letter(n: int, **members: Any) -> dict[str, Any]:
    return {
        "letter": f"{n:020x}",
        "event_id": f"event-{n}",
        "key": "",
        "task_id": "TK-1",
        "queue": "a1",
        "reason": "task-failed",
        "error": f"ValueError: bad {n} \x1b[31m",
        "signature": "5c0e2d1a94",
        "attempts": 5,
        "n_replays": 0,
        "worker": "node7",
        "dead_at": "2026-11-28T12:00:00Z",
        "n_bytes": 3,
        "content_type": "text/plain",
        "excerpt": "YWJj",
        **members,
    }


def page(*letters: dict[str, Any], after: str | None = None) -> tuple[int, Any, dict[str, str]]:
    return 200, {"dead_letters": list(letters), "next_after": after, "n_letters": len(letters)}, {}


def test_letters_come_page_by_page_and_are_shown_without_the_strangers_escape_sequences(gateway: FakeGateway) -> None:
    gateway.on(f"GET {LETTERS}?signature=5c0e2d1a94", page(letter(1), after="x~1+é"))
    gateway.on(f"GET {LETTERS}?signature=5c0e2d1a94&after=x~1%2B%C3%A9", page(letter(2)))
    done = ewms(gateway, "dlq", "list", WORKFLOW, "--signature", "5c0e2d1a94")
    assert (done.returncode, "\x1b" in done.stdout) == (0, False)
    assert letter(1)["letter"] in done.stdout
    assert letter(2)["letter"] in done.stdout
    named = ewms(gateway, "dlq", "list", WORKFLOW, "--signature", "5c0e2d1a94", "-o", "name")
    assert named.stdout.split() == [letter(1)["letter"], letter(2)["letter"]]


def test_a_replay_names_its_letters_in_portions_and_stops_where_the_server_does(gateway: FakeGateway) -> None:
    gateway.on(f"GET {LETTERS}", page(*(letter(n) for n in range(450))))
    sent: list[list[str]] = []

    def handle(asked: Asked) -> tuple[int, Any, dict[str, str]]:
        sent.append(asked.body["letters"])
        stopped = "the queue of origin is full" if len(sent) == 3 else ""
        n_done = 10 if stopped else len(asked.body["letters"])
        return 200, {"n_done": n_done, "n_missing": 0, "n_left": 0, "stopped": stopped}, {}

    gateway.routes[f"POST {LETTERS}/actions/replay"] = handle
    with (
        Client(gateway.url, token="t") as ews,
        pytest.raises(AlreadyThere, match="410 of 450 dead letters done, then:"),
    ):
        ews.run(WORKFLOW).failures.replay()
    assert [len(portion) for portion in sent] == [200, 200, 50]
    assert [name for portion in sent for name in portion] == [letter(n)["letter"] for n in range(450)]


def test_letters_that_cannot_be_handled_do_not_keep_the_others(gateway: FakeGateway) -> None:
    gateway.on(f"GET {LETTERS}", page(*(letter(n) for n in range(250))))
    first = {"n_done": 199, "n_missing": 0, "n_left": 0, "n_refused": 1, "refused": "no such queue", "stopped": ""}
    second = {"n_done": 50, "n_missing": 0, "n_left": 0, "n_refused": 0, "refused": "", "stopped": ""}
    gateway.on(f"POST {LETTERS}/actions/discard", (200, first, {}), (200, second, {}))
    done = ewms(gateway, "dlq", "discard", WORKFLOW, "--all", "--yes")
    assert (done.returncode, "249 of 250 dead letters done, 1 cannot be: no such queue" in done.stderr) == (5, True)


def test_a_letter_is_found_by_its_events_id_and_its_bytes_are_written_as_they_are(gateway: FakeGateway) -> None:
    gateway.on(f"GET {LETTERS}?event_id=event-7", page(letter(7)))
    gateway.on(f"GET {LETTERS}?event_id=nope", page())
    gateway.on(f"GET {LETTERS}/{letter(7)['letter']}/body", (200, b"\x00\xff", {"Content-Type": "x/y"}))
    with Client(gateway.url, token="t") as ews:
        assert ews.run(WORKFLOW).failures.body("event-7") == b"\x00\xff"
        with pytest.raises(NotThere, match="no dead letter"):
            ews.run(WORKFLOW).failures.show("nope")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", WORKFLOW], "say which dead letters"),
        (["replay", WORKFLOW, "a", "--all"], "say which dead letters"),
        (["discard", WORKFLOW, "--all"], "add --yes"),
        (["show", WORKFLOW], "say which dead letter"),
    ],
)
def test_what_is_meant_has_to_be_said(gateway: FakeGateway, words: list[str], said: str) -> None:
    done = ewms(gateway, "dlq", *words)
    assert (done.returncode, said in done.stderr, gateway.asked) == (2, True, [])


def test_an_export_writes_text_as_text_and_other_bytes_so_that_nothing_is_lost(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    whole = [
        letter(1, body="YWJj", headers={"x-mine": 1}),
        letter(2, body="AP8=", content_type="", headers={}),
        # Too long for the page: it is fetched by itself.
        letter(3, body=None, content_type="application/json", headers={}),
    ]
    gateway.on(f"GET {LETTERS}/whole", page(*whole))
    gateway.on(f"GET {LETTERS}/{letter(3)['letter']}/body", (200, b"{}", {}))
    lines = [json.loads(line) for line in ewms(gateway, "dlq", "export", WORKFLOW).stdout.splitlines()]
    assert [line.get("body") for line in lines] == ["abc", None, "{}"]
    assert (lines[1]["body_base64"], lines[0]["headers"]) == ("AP8=", {"x-mine": 1})

    assert ewms(gateway, "dlq", "export", WORKFLOW, "--to", str(tmp_path / "out")).returncode == 0
    index = [json.loads(line) for line in (tmp_path / "out" / "index.jsonl").read_text().splitlines()]
    assert [(tmp_path / "out" / line["file"]).read_bytes() for line in index] == [b"abc", b"\x00\xff", b"{}"]
    assert [Path(line["file"]).suffix for line in index] == [".txt", ".bin", ".json"]


def test_no_server_names_a_file_outside_of_the_directory(gateway: FakeGateway, tmp_path: Path) -> None:
    gateway.on(f"GET {LETTERS}/whole", page(letter(1, letter="../evil", body="YWJj", headers={})))
    done = ewms(gateway, "dlq", "export", WORKFLOW, "--to", str(tmp_path / "out"))
    assert done.returncode == 1
    assert not list(tmp_path.glob("evil*"))
