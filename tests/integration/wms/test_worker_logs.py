"""The workers' logs through the gateway: asked of the TMS that has them, for their owner only."""

from datetime import UTC, datetime

from runtime.bus.service_bus import Caller
from schemas.errors import NotFound
from schemas.questions.bases import Answer, Question
from schemas.questions.worker_logs import MAX_LOG_BYTES, LogAnswer, LogFile, LogQuery, LogsAnswer, LogsQuery, LogStream
from tests.integration.wms.conftest import World

LOG = b"\x1b[31mred\xff\n<script>"


class Shelf:
    """What a TMS answers."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    async def answer(self, request: Question, caller: Caller) -> Answer:
        assert caller == "wms"
        self.asked.append(request)
        match request:
            case LogsQuery():
                files = [LogFile(name="0.out", n_bytes=len(LOG), modified_at=datetime(2026, 11, 21, tzinfo=UTC))]
                return LogsAnswer(files=files, next_proc=7)
            case LogQuery(proc=0, offset=offset):
                return LogAnswer(data=LOG, offset=max(0, offset), n_bytes=len(LOG))
            case _:
                raise NotFound("no such log")


async def test_logs_are_listed_and_fetched(world: World) -> None:
    shelf = Shelf()
    await world.tms.bus.answer(shelf.answer)
    uuid = (await world.submit())["taskforces"][0]["taskforce_uuid"]
    listing = await world.get(f"/v1/taskforces/{uuid}/logs?first_proc=3")
    assert listing.json() == {
        "taskforce_uuid": uuid,
        "logs": [{"name": "0.out", "n_bytes": len(LOG), "modified_at": "2026-11-21T00:00:00Z"}],
        "next_proc": 7,
    }
    content = await world.get(f"/v1/taskforces/{uuid}/logs/0.out")
    assert (content.status_code, content.content) == (200, LOG)
    assert content.headers["content-type"].startswith("text/plain")
    assert content.headers["x-content-type-options"] == "nosniff"
    assert content.headers["x-ewms-log-bytes"] == str(len(LOG))
    for query, offset in (("tail=100", -100), ("offset=5", 5), ("tail=999999999", -MAX_LOG_BYTES), ("", 0)):
        await world.get(f"/v1/taskforces/{uuid}/logs/0.out?{query}")
        assert shelf.asked[-1] == LogQuery(taskforce_uuid=uuid, proc=0, stream=LogStream.OUT, offset=offset)
    assert shelf.asked[0] == LogsQuery(taskforce_uuid=uuid, first_proc=3)


async def test_what_is_no_log_is_not_asked_for(world: World) -> None:
    shelf = Shelf()
    await world.tms.bus.answer(shelf.answer)
    uuid = (await world.submit())["taskforces"][0]["taskforce_uuid"]
    for name in ("0.log", "out", "-1.out", "0.out.err", "..%2f..%2flock", "0.OUT", "٣.out", "99999999.out", "0x1.out"):
        assert (await world.get(f"/v1/taskforces/{uuid}/logs/{name}")).status_code == 404, name
    for query in ("tail=-1", "tail=x", "offset=1e3", "offset=1&tail=1", "offset=" + "9" * 20):
        assert (await world.get(f"/v1/taskforces/{uuid}/logs/0.out?{query}")).status_code == 400, query
    assert shelf.asked == []
    assert (await world.get(f"/v1/taskforces/{uuid}/logs/1.out")).status_code == 404


async def test_nobody_elses_logs_exist(world: World) -> None:
    shelf = Shelf()
    await world.tms.bus.answer(shelf.answer)
    uuid = (await world.submit())["taskforces"][0]["taskforce_uuid"]
    for path in (f"{uuid}/logs", f"{uuid}/logs/0.out"):
        strangers = await world.get(f"/v1/taskforces/{path}", subject="bob")
        nobodys = await world.get(f"/v1/taskforces/{path.replace(uuid, uuid[:-1] + '.')}", subject="bob")
        assert strangers.status_code == nobodys.status_code == 404
        headers = world.as_user("root", ewms_role="system-tms")
        assert (await world.http.get(f"/v1/taskforces/{path}", headers=headers)).status_code == 403
    assert shelf.asked == []


async def test_an_access_point_that_is_away_is_said(world: World) -> None:
    uuid = (await world.submit())["taskforces"][0]["taskforce_uuid"]
    answer = await world.get(f"/v1/taskforces/{uuid}/logs")
    assert answer.status_code == 503
    assert "access point" in answer.json()["error"]
    # Once it is there, the same call works, also after another question failed on the same channel.
    await world.tms.bus.answer(Shelf().answer)
    assert (await world.get(f"/v1/taskforces/{uuid}/logs")).status_code == 200
