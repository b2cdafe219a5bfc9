"""`ewms dlq` and `run.failures` against a real HTTP server: what they ask, and what they make of the answers."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from ewms import Client
from ewms.errors import AlreadyThere, NotThere
from tests.integration.ewms.conftest import ALIAS, WORKFLOW, Asked, FakeGateway, PublicQueue
from tests.integration.ewms.test_command import TASKFORCE, ewms, shows

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


def json_letter(n: int, event: bytes) -> dict[str, Any]:
    return letter(n, content_type="application/json", body=b64encode(event).decode(), headers={})


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
        with pytest.raises(NotThere, match="not a dead letter"):
            ews.run(WORKFLOW).failures.show("nope")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", WORKFLOW], "choose dead letters"),
        (["replay", WORKFLOW, "a", "--all"], "choose dead letters"),
        (["discard", WORKFLOW, "--all"], "add --yes"),
        (["show", WORKFLOW], "choose a dead letter"),
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


def test_bodies_are_the_events_alone_one_a_line(gateway: FakeGateway) -> None:
    events = [b'{"x": 1.0}', b"[1,\r\n 2]", '"ä\\n"'.encode()]
    gateway.on(f"GET {LETTERS}/whole?signature=5c0e2d1a94", page(*(json_letter(n, e) for n, e in enumerate(events))))
    done = ewms(gateway, "dlq", "export", WORKFLOW, "--signature", "5c0e2d1a94", "--bodies")
    assert (done.returncode, done.stdout) == (0, '{"x": 1.0}\n[1,   2]\n"ä\\n"\n')


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"content_type": "text/plain"}, "is not JSON: its content type is 'text/plain'"),
        ({"body": b64encode(b"{").decode()}, "is not JSON: "),
        ({"body": b64encode(b"NaN").decode()}, "is not JSON: "),
        ({"queue": "b2"}, "come from several queues, a1 and b2"),
    ],
)
def test_bodies_that_no_publish_could_take_are_refused_before_a_line_is_written(
    gateway: FakeGateway, second: dict[str, Any], said: str
) -> None:
    gateway.on(f"GET {LETTERS}/whole", page(json_letter(1, b"1"), json_letter(2, b"2") | second))
    done = ewms(gateway, "dlq", "export", WORKFLOW, "--bodies")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "--to DIRECTORY" in done.stderr


def test_exported_bodies_go_into_the_queue_of_another_workflow(gateway: FakeGateway, public_queue: PublicQueue) -> None:
    gateway.on(f"GET {LETTERS}/whole", page(json_letter(1, b'{"x": 1}'), json_letter(2, b'{"x":\n2}')))
    exported = ewms(gateway, "dlq", "export", WORKFLOW, "--bodies")
    done = ewms(gateway, "queue", "publish", WORKFLOW, ALIAS, "-", stdin=exported.stdout)
    assert done.returncode == 0, done.stderr
    consumed = ewms(gateway, "queue", "consume", WORKFLOW, ALIAS, "-n", "2")
    assert [json.loads(line) for line in consumed.stdout.splitlines()] == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(
    ("ended", "command"),
    [
        (None, f"ewms dlq replay {WORKFLOW} --signature 5c0e2d1a94"),
        ("FINISHED", f"ewms dlq export {WORKFLOW} --signature 5c0e2d1a94 --bodies | ewms queue publish NEW {ALIAS} -"),
    ],
)
def test_a_letter_is_shown_with_the_command_that_works_now(
    gateway: FakeGateway, ended: str | None, command: str
) -> None:
    shows(gateway, (ended, TASKFORCE))
    name = letter(1)["letter"]
    gateway.on(f"GET {LETTERS}/{name}", (200, {"dead_letter": letter(1), "attempts": []}, {}))
    done = ewms(gateway, "dlq", "show", WORKFLOW, name)
    assert (done.returncode, "dlq replay" in done.stderr) == (0, ended is None), done.stderr
    assert command in done.stderr


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_letters_that_are_not_there_are_told_by_the_status_and_all_of_none_is_no_mistake(
    gateway: FakeGateway, action: str
) -> None:
    gateway.on(f"GET {LETTERS}", page())
    gateway.on(f"GET {LETTERS}?signature=ffff", page())
    nothing = {"n_done": 0, "n_missing": 1, "n_left": 0, "n_refused": 0, "refused": "", "stopped": ""}
    gateway.on(f"POST {LETTERS}/actions/{action}", (200, nothing, {}))
    yes = ["--yes"] if action == "discard" else []
    for chosen in (["--signature", "ffff"], [letter(1)["letter"]]):
        done = ewms(gateway, "dlq", action, WORKFLOW, *chosen, *yes)
        assert (done.returncode, "none of these dead letters" in done.stderr) == (4, True), done.stderr
    assert ewms(gateway, "dlq", action, WORKFLOW, "--all", *yes).returncode == 0


@pytest.mark.parametrize("which", [["--each"], ["--signature", "ffff"], ["--event", "e-1"]])
def test_a_list_without_letters_is_a_sentence_and_no_table(gateway: FakeGateway, which: list[str]) -> None:
    for query in ("", "?signature=ffff", "?event_id=e-1"):
        gateway.on(f"GET {LETTERS}{query}", page())
        gateway.on(f"GET /v1/workflows/{WORKFLOW}/failed-attempts{query}", (200, {"attempts": []}, {}))
    done = ewms(gateway, "dlq", "list", WORKFLOW, *which)
    assert (done.returncode, done.stdout, "has no such dead letters" in done.stderr) == (0, "", True)


def test_no_server_names_a_file_outside_of_the_directory(gateway: FakeGateway, tmp_path: Path) -> None:
    gateway.on(f"GET {LETTERS}/whole", page(letter(1, letter="../evil", body="YWJj", headers={})))
    done = ewms(gateway, "dlq", "export", WORKFLOW, "--to", str(tmp_path / "out"))
    assert done.returncode == 1
    assert not list(tmp_path.glob("evil*"))
