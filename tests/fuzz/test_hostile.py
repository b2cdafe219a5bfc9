"""The hostile corpus against real requests: refused by name, or kept word for word and harmless."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.contract.conformance import shapes
from tests.contract.conformance.world import World, ok, request
from tests.hostile import CORPUS
from wms.fleet.reading.query_filters import BadQuery, make_filter

TEXTS = list(dict.fromkeys(CORPUS))
assert len(TEXTS) >= 200

#: So many go into one request, each in a task of its own. An answer names 20 faults at most, and a text may have two.
TEXTS_AT_ONCE = 10

Put = Callable[[dict[str, Any], str], object]


def _controls(text: str) -> bool:
    return any((ord(c) < 32 and c not in "\t\n\r") or ord(c) == 127 for c in text)


def _is_text(text: str) -> bool:
    return not _controls(text)


def _is_path(text: str) -> bool:
    return not _controls(text)


def _is_image(text: str) -> bool:
    """Whether an image may have this name: no option, no way up, no place that a worker keeps for itself."""
    if any(ord(c) < 32 or ord(c) == 127 for c in text) or text.startswith("-") or ".." in text.split("/"):
        return False
    return not text.startswith("/") or text.strip("/").split("/")[0] not in {"", "proc", "dev", "sys", "run", "boot"}


def _is_value(text: str) -> bool:
    return "\0" not in text


#: where in a task, how it is put there, what may stay, how it is read back from (task directive, taskforce)
PLACES: list[tuple[str, Put, Callable[[str], bool], Callable[[Any, Any], str]]] = [
    ("task_args", lambda t, s: t.update(task_args=s), _is_text, lambda d, _: d["task_args"]),
    ("init_args", lambda t, s: t.update(init_args=s), _is_text, lambda d, _: d["init_args"]),
    (
        "task_image",
        lambda t, s: t.update(task_image=s),
        lambda s: bool(s) and _is_image(s),
        lambda d, _: d["task_image"],
    ),
    ("init_image", lambda t, s: t.update(init_image=s), _is_image, lambda d, _: d["init_image"]),
    ("task_env", lambda t, s: t.update(task_env={"A": s}), _is_value, lambda d, _: d["task_env"]["A"]),
    (
        "pilot_config",
        lambda t, s: t["pilot_config"].update(environment={"A": s}),
        _is_value,
        lambda _, f: f["pilot_config"]["environment"]["A"],
    ),
    (
        "pilot_config",
        lambda t, s: t["pilot_config"].update(input_files=[s]),
        _is_path,
        lambda _, f: f["pilot_config"]["input_files"][0],
    ),
]


def _body(tasks: list[dict[str, Any]]) -> dict[str, Any]:
    return {"public_queue_aliases": [], "tasks": tasks}


def _task(put: Put, text: str) -> dict[str, Any]:
    task: dict[str, Any] = request()["tasks"][0]
    put(task, text)
    return task


def batched(texts: list[str], n: int) -> Iterator[list[str]]:
    """Yield `texts` in lists of `n`."""
    for start in range(0, len(texts), n):
        yield texts[start : start + n]


def _refused(answer: httpx2.Response, text: str, *named: str) -> None:
    assert answer.status_code == 400, (text, answer.text[:300])
    error = answer.json()["error"]
    assert any(name in error for name in named), error
    assert answer.reason_phrase.isprintable()
    # What was sent is not sent back, unless it is a word that stands in the reason anyway.
    assert len(text) < 8 or text not in error


@pytest.mark.parametrize(
    ("field", "put", "may_stay", "read"), PLACES, ids=[f"{n}-{p[0]}" for n, p in enumerate(PLACES)]
)
def test_a_text_is_kept_word_for_word_or_refused_by_name(
    world: World, field: str, put: Put, may_stay: Callable[[str], bool], read: Callable[[Any, Any], str]
) -> None:
    kept = [text for text in TEXTS if may_stay(text)]
    for text in TEXTS:
        if not may_stay(text):
            _refused(world.user.post("/workflows", _body([_task(put, text)])), text, f"tasks.0.{field}")
    made = world.submit(_body([_task(put, text) for text in kept]))
    query = {"query": {"workflow_id": made["workflow"]["workflow_id"]}}
    found: dict[str, list[Any]] = {}
    for path, key in (("task-directives", "task_directives"), ("taskforces", "taskforces")):
        after, found[key] = None, []
        while after is not None or not found[key]:
            page = ok(world.user.post(f"/query/{path}", {**query, **({"after": after} if after else {})}))
            found[key] += page[key]
            after = page["next_after"]
            if after is None:
                break
    assert [read(*pair) for pair in zip(found["task_directives"], found["taskforces"], strict=True)] == kept
    ok(world.user.post(f"/workflows/{made['workflow']['workflow_id']}/actions/abort"))


def test_requirements_are_kept_as_one_harmless_line_or_refused_by_name(world: World) -> None:
    def put(task: dict[str, Any], text: str) -> None:
        task["worker_config"]["condor_requirements"] = text
        # Several texts are kept as the same line, and no two tasks may be equal.
        task["task_args"] = str(TEXTS.index(text))

    kept: list[str] = []
    for texts in batched(TEXTS, TEXTS_AT_ONCE):
        answer = world.user.post("/workflows", _body([_task(put, text) for text in texts]))
        if answer.status_code == 200:
            world.workflows.append(answer.json()["workflow"]["workflow_id"])
            kept += texts
            continue
        refused = {int(n) for n in re.findall(r"'tasks\.(\d+)\.worker_config", answer.json()["error"])}
        assert refused, answer.text[:300]
        for number, text in enumerate(texts):
            if number in refused:
                _refused(answer, text, f"tasks.{number}.worker_config")
            else:
                kept.append(text)
    assert 0 < len(kept) < len(TEXTS) / 2
    # One that was refused fails here, whatever the answer above has named.
    made = world.submit(_body([_task(put, text) for text in kept]))
    for text, taskforce in zip(kept, made["taskforces"], strict=True):
        stored = taskforce["worker_config"]["condor_requirements"]
        assert stored.split() == text.split()
        assert not re.search(r"[\r\n\0]|\$[\w$(\[{]", stored), stored


#: What the contract lets through as a tag; it only ever stands behind `<image>:`.
CONTRACTS_TAG = r"\d+\.\d+\.\d+|latest|[a-z0-9._-]+-[a-z0-9]{1,128}"

#: Places where hardly any of it is a word of ours: where, how it is put there.
NAMES: list[tuple[str, Put]] = [
    ("tasks.0.cluster_locations", lambda t, s: t.update(cluster_locations=[s])),
    ("tasks.0.pilot_config.tag", lambda t, s: t["pilot_config"].update(tag=s)),
    ("tasks.0.pilot_config.image_source", lambda t, s: t["pilot_config"].update(image_source=s)),
    ("tasks.0.task_env", lambda t, s: t.update(task_env={s: "x"})),
    ("tasks.0.pilot_config.environment", lambda t, s: t["pilot_config"].update(environment={s: "x"})),
    ("tasks.0.worker_config.worker_memory", lambda t, s: t["worker_config"].update(worker_memory=s)),
    ("tasks.0", lambda t, s: t.update({s: 1})),
]


@pytest.mark.parametrize(("field", "put"), NAMES, ids=[name for name, _ in NAMES])
def test_what_is_no_name_is_refused_by_the_fields_name(world: World, field: str, put: Put) -> None:
    texts = [text for text in TEXTS if not (field.endswith("tag") and re.fullmatch(CONTRACTS_TAG, text))]
    for some in batched(texts, TEXTS_AT_ONCE):
        answer = world.user.post("/workflows", _body([_task(put, text) for text in some]))
        assert answer.status_code == 400, (some, answer.text[:300])
        for number, text in enumerate(some):
            assert f"'{field.replace('0', str(number), 1)}" in answer.json()["error"], text
        assert answer.reason_phrase.isprintable()


def test_an_alias_is_kept_or_refused(world: World) -> None:
    kept = [text for text in TEXTS if 0 < len(text) <= 256 and not any(ord(c) < 32 or ord(c) == 127 for c in text)]
    for text in TEXTS:
        if text not in kept:
            _refused(
                world.user.post("/workflows", _body([{**request()["tasks"][0], "input_queue_aliases": [text]}])),
                text,
                "tasks.0.input_queue_aliases",
            )
    for start in range(0, len(kept), 100):
        aliases = kept[start : start + 100]
        body = _body([{**request()["tasks"][0], "input_queue_aliases": aliases}])
        made = world.submit({**body, "public_queue_aliases": aliases})
        workflow_id = made["workflow"]["workflow_id"]
        shown = ok(world.user.get(f"/mqs/workflows/{workflow_id}/mq-profiles/public"))["mqprofiles"]
        assert [profile["alias"] for profile in shown] == aliases
        assert [profile["mqid"] for profile in shown] == made["task_directives"][0]["input_queues"]
        assert all(shapes.MQID(profile["mqid"]) for profile in shown)
        ok(world.user.post(f"/workflows/{workflow_id}/actions/abort"))


def test_a_filter_has_exactly_the_keys_and_values_that_were_sent() -> None:
    fields = frozenset(shapes.TASK_DIRECTIVE)
    for text in TEXTS:
        query = {"task_args": text, "task_env": {"A": text}, "task_image": {"$in": [text], "$ne": text}}
        assert make_filter(query, fields) == query
        for bad in ({text: 1}, {f"${text}": 1}, {"task_env": {f"${text}": 1}}, {"task_env": {"A": {f"${text}": 1}}}):
            with pytest.raises(BadQuery):
                make_filter(bad, fields)


def test_a_query_for_a_text_finds_what_has_it_and_nothing_else(world: World) -> None:
    text = '"}, {"$where": "sleep(9)'
    world.submit(_body([_task(lambda t, s: t.update(task_args=s), text)]))
    for other in TEXTS:
        found = ok(world.user.post("/query/task-directives", {"query": {"task_args": other, "init_args": text}}))
        assert found == {"task_directives": [], "next_after": None}
    found = ok(world.user.post("/query/task-directives", {"query": {"task_args": text}}))
    assert [task["task_args"] for task in found["task_directives"]] == [text]


#: Requests around a text that ask for nothing there is.
ELSEWHERE: dict[str, Callable[[World, str], httpx2.Response]] = {
    "id": lambda w, s: w.http.get(f"/v1/workflows/{_quoted(s)}", headers=dict(w.user.headers)),
    "uuid": lambda w, s: w.http.post(
        f"/v1/tms/condor-rm/taskforces/{_quoted(s)}", json={}, headers=dict(w.tms.headers)
    ),
    "schedd": lambda w, s: w.tms.get("/tms/pending-starter/taskforces", schedd=s),
    "include": lambda w, s: w.user.get("/workflows/WF-0", include=s),
    "projection": lambda w, s: w.user.post("/query/workflows", {"query": {"workflow_id": "x"}, "projection": [s]}),
    "after": lambda w, s: w.user.post("/query/workflows", {"query": {}, "after": s}),
    "key": lambda w, s: w.user.post("/query/workflows", {"query": {s: 1}}),
    "location": lambda w, s: w.user.post(
        "/task-directives/TK-0/actions/add-workers", {"cluster_location": s, "n_workers": 1}
    ),
    "status": lambda w, s: w.tms.post("/tms/statuses/taskforces", {"compound_statuses_by_taskforce": {s: {s: {s: 1}}}}),
    "reservation": lambda w, s: w.caller("system-wms").get(f"/mqs/workflows/{_quoted(s)}/mq-group"),
}


def _quoted(text: str) -> str:
    return quote(text, safe="")


@pytest.mark.parametrize("place", ELSEWHERE)
def test_no_part_of_a_request_is_taken_for_more_than_it_is(world: World, place: str) -> None:
    for text in TEXTS:
        if text in ("", "."):
            # Of a path nothing is left of these: the client itself takes them away.
            continue
        answer = ELSEWHERE[place](world, text)
        assert answer.status_code in (200, 207, 400, 404), (text, answer.text[:300])
        assert answer.reason_phrase.isprintable()
        if answer.status_code == 200:
            assert answer.json() in ({}, {"workflows": [], "next_after": None}), text


def test_statuses_are_kept_word_for_word(world: World) -> None:
    uuid = world.submitted()["taskforce_uuid"]
    statuses = {text: {text: 1} for text in TEXTS}
    errors = dict.fromkeys(TEXTS, 1)
    body = {"compound_statuses_by_taskforce": {uuid: statuses}, "top_task_errors_by_taskforce": {uuid: errors}}
    ok(world.tms.post("/tms/statuses/taskforces", body))
    found = world.taskforce(uuid)
    # BSON has no names with a NUL in them.
    kept = {text.replace("\0", "\ufffd") for text in TEXTS}
    assert found["compound_statuses"] == {text: {text: 1} for text in kept}
    assert found["top_task_errors"] == dict.fromkeys(kept, 1)
