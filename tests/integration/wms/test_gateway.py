"""The gateway over real HTTP: what it refuses and how, whose things are whose, and what a repeated request does."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from schemas.events import WorkflowRequested
from schemas.fleet.documents import WORKFLOWS
from schemas.registry import COLLECTIONS
from schemas.rules.limits import MAX_BODY_BYTES
from tests.integration.wms.conftest import World, request

JSON = {"Content-Type": "application/json"}


async def nothing_was_made(world: World) -> bool:
    """Say whether no collection has a document, and nobody was told anything."""
    counts = [await world.wms.store.count(name, {}) for name in (*COLLECTIONS, "outbox")]
    return not any(counts) and not world.mqs.heard


def body(change: Callable[[dict[str, Any]], object]) -> bytes:
    made = request()
    change(made)
    return json.dumps(made).encode()


#: content, headers, status, error
BAD_INPUT: list[tuple[bytes, dict[str, str], int, str]] = [
    (
        body(lambda b: b.update(surprise=1)),
        JSON,
        400,
        "Additional properties are not allowed ('surprise' was unexpected)",
    ),
    (
        body(lambda b: b["tasks"][0].update(n_workers="many")),
        JSON,
        400,
        "'tasks.0.n_workers': is not of type 'integer'",
    ),
    (
        body(lambda b: b["tasks"][0].update(cluster_locations=["mars"])),
        JSON,
        400,
        "'tasks.0.cluster_locations': condor cluster location not found: mars",
    ),
    (
        body(lambda b: b["tasks"][0].update(pilot_config={"environment": {"EWMS_PILOT_TASK_IMAGE": "x"}})),
        JSON,
        400,
        (
            "tasks[0].pilot_config.environment cannot include the attribute 'EWMS_PILOT_TASK_IMAGE'. "
            "Use the top-level equivalent attribute instead."
        ),
    ),
    (body(lambda b: b.pop("tasks")), JSON, 400, "'tasks' is a required property"),
    (body(lambda _: None), {}, 400, "Content-Type must be application/json"),
    (body(lambda _: None), {"Content-Type": "text/plain"}, 400, "Content-Type must be application/json"),
    (b"{", JSON, 400, "the body is not JSON (line 1, column 2)"),
    (b'{"priority": NaN}', JSON, 400, "the body is not JSON: NaN and Infinity are not numbers in JSON"),
    (b"", JSON, 400, "the body is not JSON (line 1, column 1)"),
    (b" " * (MAX_BODY_BYTES + 1), JSON, 413, "the body must have at most 1048576 bytes"),
]


async def test_bad_input_is_refused_by_name_and_nothing_is_half_made(world: World) -> None:
    for prefix in ("/v0", "/v1"):
        for content, headers, code, error in BAD_INPUT:
            answer = await world.http.post(
                f"{prefix}/workflows", content=content, headers={**world.as_user(), **headers}
            )
            assert (answer.status_code, answer.json()) == (code, {"code": code, "error": error})
            assert answer.reason_phrase == error
    assert await nothing_was_made(world)


async def test_tokens_that_prove_nothing_are_refused_alike(world: World) -> None:
    good = world.issuer.token()
    another = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    header, payload, signature = good.split(".")
    public = world.issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    claims = jwt.decode(good, options={"verify_signature": False})
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').rstrip(b"=").decode()
    forged = {
        "another key": world.issuer.token(key=another),
        "unknown kid": world.issuer.token(kid="k2"),
        "expired": world.issuer.token(life_s=-120),
        "another audience": world.issuer.token(aud="somebody"),
        "no audience": world.issuer.token(aud=None),
        "another issuer": world.issuer.token(iss="https://evil.example.org"),
        "no subject": world.issuer.token(sub=None),
        "no expiry": world.issuer.token(exp=None),
        "not yet": world.issuer.token(nbf=time.time() + 600),
        "alg none": f"{none}.{payload}.",
        "changed claims": f"{header}.{base64.urlsafe_b64encode(b'{}').decode()}.{signature}",
        "no signature": f"{header}.{payload}.",
        "hmac with the public key": hmac_signed(claims, public),
        "not a token": "x" * 50,
        "enormous": good + "A" * 14_000,
    }
    for kind, token in forged.items():
        headers = {"Authorization": f"Bearer {token}", **JSON}
        answer = await world.http.post("/v1/workflows", content=json.dumps(request()), headers=headers)
        assert (answer.status_code, answer.json()["error"]) == (403, "authentication failed"), kind
        assert answer.reason_phrase == "authentication failed"
    answer = await world.http.post("/v1/workflows", json=request())
    assert (answer.status_code, answer.json()["error"]) == (403, "authentication failed")
    assert await nothing_was_made(world)


def hmac_signed(claims: dict[str, Any], secret: bytes) -> str:
    """Return `claims` signed as if the issuer's public key were a shared secret. PyJWT itself refuses to."""
    import hashlib
    import hmac

    def text(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    signed = f"{text(json.dumps({'alg': 'HS256', 'kid': 'k1'}).encode())}.{text(json.dumps(claims).encode())}"
    return f"{signed}.{text(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


#: role, method, path, status
ROLES: list[tuple[str, str, str, int]] = [
    ("auditor", "POST", "/v1/workflows", 403),
    ("system-tms", "POST", "/v1/workflows", 403),
    ("ops", "POST", "/v1/workflows", 403),
    ("nobody", "GET", "/v1/", 403),
    ("system-tms", "GET", "/v1/workflows/WF-1", 403),
    ("system-tms", "GET", "/v1/schema/openapi", 200),
    ("auditor", "GET", "/v1/mqs/workflows/WF-1/mq-profiles/public", 403),
    ("system-wms", "GET", "/v1/", 403),
    ("user", "GET", "/v1/", 200),
]


async def test_a_role_opens_its_own_routes_only(world: World) -> None:
    for role, method, path, code in ROLES:
        answer = await world.http.request(method, path, headers={**world.as_user("x", ewms_role=role), **JSON})
        assert answer.status_code == code, (role, method, path)
        if code == 403:
            assert answer.json() == {"code": 403, "error": "authorization failed"}


async def test_what_is_somebody_elses_does_not_exist(world: World) -> None:
    made = await world.submit()
    workflow_id = made["workflow"]["workflow_id"]
    task_id = made["task_directives"][0]["task_id"]
    uuid = made["taskforces"][0]["taskforce_uuid"]
    workers = {"cluster_location": "osg", "n_workers": 1}
    attempts: list[tuple[str, str, Any, str]] = [
        ("GET", f"/v1/workflows/{workflow_id}", None, f"no workflow found with id: {workflow_id}"),
        ("GET", f"/v1/task-directives/{task_id}", None, f"no task found with id: {task_id}"),
        ("GET", f"/v1/taskforces/{uuid}", None, f"no taskforce found with uuid: {uuid}"),
        ("GET", f"/v1/workflows/{workflow_id}/queues", None, f"no workflow found with id: {workflow_id}"),
        (
            "POST",
            f"/v1/workflows/{workflow_id}/actions/abort",
            None,
            f"no non-deactivated workflow found with workflow_id='{workflow_id}'",
        ),
        (
            "POST",
            f"/v1/task-directives/{task_id}/actions/add-workers",
            workers,
            f"no task found with id: {task_id}",
        ),
    ]
    for method, path, sent, error in attempts:
        headers = world.as_user("eve")
        foreign = await world.http.request(method, path, json=sent, headers=headers)
        assert (foreign.status_code, foreign.json()) == (404, {"code": 404, "error": error}), path
        assert foreign.reason_phrase == error
        unknown = path.replace(workflow_id, "WF-0-0").replace(task_id, "TK-0-0-0").replace(uuid, "TF-0-0-0-0")
        missing = await world.http.request(method, unknown, json=sent, headers=headers)
        assert missing.status_code == 404, "and cannot be told from what does not exist"
    for kind in ("workflows", "task-directives", "taskforces"):
        found = await world.post(f"/v1/query/{kind}", {"query": {"workflow_id": workflow_id}}, subject="eve")
        assert found.json() == {kind.replace("-", "_"): [], "next_after": None}
        every = {"$or": [{"workflow_id": workflow_id}, {"workflow_id": {"$exists": True}}]}
        found = await world.post(f"/v1/query/{kind}", {"query": every}, subject="eve")
        assert found.json()["next_after"] is None
        assert found.json()[kind.replace("-", "_")] == []
    assert (await world.get(f"/v1/workflows/{workflow_id}")).json()["deactivated"] is None


async def test_a_project_shares_and_an_auditor_reads(world: World) -> None:
    muon = {"groups": ["/projects/muon"]}
    answer = await world.http.post("/v1/workflows", json=request(), headers=world.as_user("ada", **muon))
    workflow_id = answer.json()["workflow"]["workflow_id"]
    path = f"/v1/workflows/{workflow_id}"
    assert (await world.http.get(path, headers=world.as_user("bob", **muon))).status_code == 200
    assert (await world.http.get(path, headers=world.as_user("bob"))).status_code == 404
    auditor = world.as_user("carl", ewms_role="auditor")
    assert (await world.http.get(path, headers=auditor)).status_code == 200
    query = {"query": {"workflow_id": workflow_id}}
    found = (await world.http.post("/v1/query/workflows", json=query, headers=auditor)).json()["workflows"]
    assert [set(w) for w in found] == [{"workflow_id", "timestamp", "priority", "deactivated", "deactivated_ts"}]
    assert (await world.http.post(f"{path}/actions/abort", headers=auditor)).status_code == 403


async def test_a_repeated_request_with_its_key_takes_effect_once(world: World) -> None:
    answers = await asyncio.gather(
        *(world.post("/v1/workflows", request(), **{"Idempotency-Key": "try-7"}) for _ in range(5))
    )
    codes = {answer.status_code for answer in answers}
    assert codes <= {200, 503}, "one that meets the first under way may have to come again"
    made = {json.dumps(answer.json(), sort_keys=True) for answer in answers if answer.status_code == 200}
    assert len(made) == 1
    again = await world.post("/v0/workflows", request(), **{"Idempotency-Key": "try-7"})
    assert json.dumps(again.json(), sort_keys=True) in made, "the other prefix is the same route"
    other = await world.post("/v1/workflows", {**request(), "priority": 7}, **{"Idempotency-Key": "try-7"})
    assert other.status_code == 409
    mine = await world.post("/v1/workflows", request(), subject="eve", **{"Idempotency-Key": "try-7"})
    assert mine.json()["workflow"]["workflow_id"] != again.json()["workflow"]["workflow_id"], "keys are one's own"
    await world.mqs.hear(WorkflowRequested, n=2)
    assert await world.wms.store.count(WORKFLOWS, {}) == 2
    workflow_id = again.json()["workflow"]["workflow_id"]
    aborts = [
        await world.post(f"/v1/workflows/{workflow_id}/actions/abort", **{"Idempotency-Key": "a"}) for _ in range(3)
    ]
    assert {(a.status_code, json.dumps(a.json())) for a in aborts} == {(200, json.dumps(aborts[0].json()))}
    bad = await world.post("/v1/workflows", request(), **{"Idempotency-Key": "x" * 300})
    assert bad.status_code == 400


async def test_pages_are_cut_by_bytes_and_lose_nothing(world: World) -> None:
    world.mqs.activates = False
    made = [(await world.submit(priority=n))["workflow"]["workflow_id"] for n in range(7)]
    from schemas.api.queries import Query
    from wms.fleet.ownership import Access
    from wms.fleet.reading import query_pages

    for max_bytes in (1, 300, 450, 100_000):
        seen: list[str] = []
        after = None
        for _ in range(20):
            query = Query(query={}, after=after)
            page = await query_pages.read_page(world.wms.store, WORKFLOWS, query, Access("ada"), max_bytes=max_bytes)
            assert page.objects, "a page is never empty while there is more"
            seen += [json.loads(text)["workflow_id"] for text in page.objects]
            after = page.next_after
            if after is None:
                break
        assert seen == made, f"in the order of their making, at {max_bytes} bytes"


async def test_projections_return_what_was_asked_for(world: World) -> None:
    await world.submit()
    for projection, expected in (
        (["priority"], {"priority"}),
        (["worker_config.n_cores", "no_such"], {"worker_config"}),
        (["no_such"], set()),
        (["owner", "rev"], set()),
    ):
        found = await world.post("/v1/query/taskforces", {"query": {}, "projection": projection})
        assert [set(t) for t in found.json()["taskforces"]] == [expected]
    whole = (await world.post("/v1/query/taskforces", {"query": {}, "projection": ["_id"]})).json()["taskforces"][0]
    assert "phase_change_log" in whole
    assert "owner" not in whole


async def test_a_bad_query_is_a_bad_request(world: World) -> None:
    queries: list[dict[str, Any]] = [
        {"$where": "while(true){}"},
        {"phase": {"$regex": "("}},
        {"phase": {"$in": [{"$where": "1"}]}},
        {"owner": "ada"},
        {"phase": {"$gt": 10**400}},
    ]
    for query in queries:
        answer = await world.post("/v1/query/taskforces", {"query": query})
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"].startswith("'query")


async def test_what_is_known_beside_the_contract_is_asked_for(world: World) -> None:
    made = await world.submit()
    uuid, workflow_id = made["taskforces"][0]["taskforce_uuid"], made["workflow"]["workflow_id"]
    await world.in_phase(uuid, "condor-submit")
    taskforce = (await world.get(f"/v1/taskforces/{uuid}?include=health")).json()
    assert set(taskforce) == {*made["taskforces"][0], "health"}
    assert (taskforce["health"]["stuck"], taskforce["health"]["n_submit_failures"]) == ("", 0)
    workflow = (await world.get(f"/v1/workflows/{workflow_id}?include=health")).json()
    assert workflow["health"]["queues_active_at"]
    assert (await world.get(f"/v1/workflows/{workflow_id}?include=owner")).status_code == 400


async def test_a_wrong_cluster_is_answered_with_the_right_ones(world: World) -> None:
    (names,) = (await world.get("/v1/clusters")).json().values()
    assert "osg" in [cluster["name"] for cluster in names]
    wrong = request()
    wrong["tasks"][0]["cluster_locations"] = ["mars"]
    refused = await world.post("/v1/workflows", wrong)
    assert refused.status_code == 400
    assert "cluster locations: osg" in refused.headers["X-EWMS-Hint"]
    assert "sub-2" not in refused.headers["X-EWMS-Hint"], "an alias is accepted, and no text offers it"
    assert {cluster["name"]: cluster["alias_of"] for cluster in names}["sub-2"] == "osg"


async def test_added_workers_are_refused_in_the_contracts_words(world: World) -> None:
    made = await world.submit()
    task_id, workflow_id = made["task_directives"][0]["task_id"], made["workflow"]["workflow_id"]
    path = f"/v1/task-directives/{task_id}/actions/add-workers"
    mars = await world.post(path, {"cluster_location": "mars", "n_workers": 1})
    assert (mars.status_code, mars.json()["error"]) == (400, "condor cluster location not found: mars")
    await world.post(f"/v1/workflows/{workflow_id}/actions/finished")
    late = await world.post(path, {"cluster_location": "osg", "n_workers": 1})
    assert (late.status_code, late.reason_phrase) == (
        422,
        f"cannot add a taskforce to a deactivated workflow ({workflow_id})",
    )


async def test_bytes_that_are_no_http_are_answered_and_the_connection_closed(world: World) -> None:
    host, port = world.wms.gateway_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"NONSENSE\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 Invalid HTTP request received.\r\n")
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"] == 400


async def test_several_requests_share_a_connection_with_their_own_reasons(world: World) -> None:
    async with httpx2.AsyncClient(base_url=world.wms.gateway_url, limits=httpx2.Limits(max_connections=1)) as http:
        for _ in range(3):
            lost = await http.get("/v1/workflows/WF-1", headers=world.as_user())
            assert lost.reason_phrase == "no workflow found with id: WF-1"
            assert "x-ewms-reason-phrase" not in lost.headers
            fine = await http.get("/v1/", headers=world.as_user())
            assert (fine.reason_phrase, fine.json()) == ("OK", {})


async def test_operators_see_life_readiness_and_metrics_without_a_token(world: World) -> None:
    assert (await world.http.get("/healthz")).status_code == 200
    assert (await world.http.get("/readyz")).json() == {"mongodb": "ok", "control": "ok"}
    assert "ewms_http_request_seconds" in (await world.http.get("/metrics")).text
    assert (await world.http.get("/version")).json()["service"] == "wms"
