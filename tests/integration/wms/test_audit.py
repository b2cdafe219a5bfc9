"""The audit log over HTTP: who did what to workflows and to the server, page by page, and who sees it."""

from typing import Any

from schemas.attempts.dead_letters import LettersDone
from tests.integration.wms.conftest import SCHEDD, World
from wms.engine.engine_lock import LockKeeper


def _tell(rows: list[dict[str, Any]]) -> list[tuple[str, str, list[str]]]:
    return [(row["who"], row["operation"], sorted(row["changes"])) for row in rows]


async def test_the_acts_of_users_on_workflows_are_told_to_those_who_see_them(world: World) -> None:
    made = await world.submit()
    workflow_id, task_id = made["workflow"]["workflow_id"], made["task_directives"][0]["task_id"]
    of_it = f"/v1/workflows/{workflow_id}"
    added = await world.post(
        f"/v1/task-directives/{task_id}/actions/add-workers", {"cluster_location": "osg", "n_workers": 2}
    )
    assert added.status_code == 200, added.text
    world.mqs.told = {"dead-letters-order": LettersDone(n_done=2, n_missing=0, n_left=0)}
    assert (await world.post(f"{of_it}/dead-letters/actions/discard", {"all": True})).status_code == 200
    # What is refused, and a repetition, make no row.
    assert (await world.post(f"{of_it}/actions/abort", subject="bob")).status_code == 404
    for _ in range(2):
        assert (await world.post(f"{of_it}/actions/abort", {}, **{"Idempotency-Key": "once"})).status_code == 200
    found = (await world.get(f"/v1/audit?object={workflow_id}")).json()
    assert _tell(found["rows"]) == [
        ("ada", "update", ["deactivated"]),
        ("ada", "update", ["discard_dead_letters"]),
        ("ada", "update", ["n_workers", "schedd", "task", "taskforce"]),
        ("ada", "create", ["priority", "schedds", "tasks"]),
    ]
    assert found["next_before"] is None
    assert found["rows"][2]["changes"]["schedd"] == SCHEDD
    assert (await world.get("/v1/audit", subject="bob")).json()["rows"] == []
    operator = world.as_user("olga", ewms_role="ops", groups=[])
    seen = await world.http.get("/v1/audit?who=ada&kind=workflow", headers=operator)
    assert len(seen.json()["rows"]) == 4
    # Page by page, and in a stretch of time.
    first = (await world.get("/v1/audit?limit=3")).json()
    rest = (await world.get(f"/v1/audit?limit=3&before={first['next_before']}")).json()
    assert first["rows"] + rest["rows"] == found["rows"]
    at = found["rows"][1]["at"]
    assert (await world.get(f"/v1/audit?until={at}")).json()["rows"] == found["rows"][2:]
    for query in ("limit=0", "limit=201", "since=yesterday", "before=x"):
        refused = await world.get(f"/v1/audit?{query}")
        assert (refused.status_code, query.partition("=")[0] in refused.text) == (400, True), refused.text


async def test_changes_of_the_server_are_told_to_superusers_only(world: World) -> None:
    lock = LockKeeper(world.wms.store)
    for is_locked in (True, True, False):
        await lock.set_locked(is_locked=is_locked, who="root")
    root = world.as_user("root", ewms_role="superuser", groups=[])
    rows = (await world.http.get("/v1/audit?kind=engine", headers=root)).json()["rows"]
    assert [row["changes"] for row in rows] == [{"locked": [True, False]}, {"locked": [False, True]}]
    operator = world.as_user("olga", ewms_role="ops", groups=[])
    assert (await world.http.get("/v1/audit?kind=engine", headers=operator)).json()["rows"] == []
    member = world.as_user("mia", ewms_role="none", groups=["/organizations/north/member"])
    assert (await world.http.get("/v1/audit", headers=member)).status_code == 403
