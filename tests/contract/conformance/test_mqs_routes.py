"""Contract 1.5, 3.4, 3.5, 5.1: queues over REST, for users and for another WMS, and the tokens that open them."""

import hashlib
import secrets
import time
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from tests.contract.conformance import shapes
from tests.contract.conformance.shapes import is_exactly
from tests.contract.conformance.world import Caller, World, ok, refused
from tests.waiting import wait_until

JWKS = "/mqbroker-issuer/.well-known/jwks.json"


def wms(world: World) -> Caller:
    """Another WMS, whose queues are here."""
    return world.caller("system-wms")


def new_id() -> str:
    """Return the id of a workflow that another WMS has made."""
    return f"WF-{int(time.time()):08x}-{secrets.token_hex(4)}"


def group_of(workflow_id: str) -> str:
    return f"/mqs/workflows/{workflow_id}/mq-group"


def public(world: World, workflow_id: str) -> list[dict[str, Any]]:
    answer = ok(world.user.get(f"/mqs/workflows/{workflow_id}/mq-profiles/public"))
    assert answer.keys() == {"mqprofiles"}
    profiles: list[dict[str, Any]] = answer["mqprofiles"]
    for profile in profiles:
        is_exactly(profile, shapes.MQPROFILE)
    return profiles


def activated(world: World, workflow_id: str) -> list[dict[str, Any]]:
    """Return the public queues of a workflow once they are active."""
    found: list[dict[str, Any]] = wait_until(
        lambda: public(world, workflow_id), lambda profiles: profiles and all(p["is_activated"] for p in profiles)
    )
    return found


def test_the_queue_service_answers_an_empty_object_and_a_document(world: World) -> None:
    for caller in (world.user, wms(world)):
        assert ok(caller.get("/mqs")) == {}
        assert ok(caller.get("/mqs/schema/openapi"))["openapi"].startswith("3.1")


def test_public_queues_are_shown_inactive_until_they_are_there_and_then_with_tokens(world: World) -> None:
    made = world.submit(input_queue_aliases=["in", "between"], output_queue_aliases=["out"])
    workflow, task = made["workflow"], made["task_directives"][0]
    for profile in public(world, workflow["workflow_id"]):
        if not profile["is_activated"]:
            assert [profile[name] for name in ("auth_token", "broker_type", "broker_address")] == [None] * 3
    profiles = activated(world, workflow["workflow_id"])
    # In the order of the reservation; `between` is nobody's business.
    assert [(p["alias"], p["mqid"]) for p in profiles] == [
        ("in", task["input_queues"][0]),
        ("out", task["output_queues"][0]),
    ]
    for profile in profiles:
        assert profile["is_public"]
        assert profile["workflow_id"] == workflow["workflow_id"]
        assert profile["broker_type"] == "rabbitmq"
        user, _, host = profile["broker_address"].partition("@")
        assert user
        assert ":" in host


def test_an_unknown_workflow_has_no_public_queues(world: World) -> None:
    assert public(world, new_id()) == []


def test_a_token_says_what_the_contract_says_and_is_signed_by_a_listed_key(world: World) -> None:
    made = world.submit()
    first, second = activated(world, made["workflow"]["workflow_id"])
    keys = {key["kid"]: jwt.PyJWK(key) for key in ok(world.http.get(JWKS))["keys"]}
    for profile in (first, second):
        token, mqid = profile["auth_token"], profile["mqid"]
        header = jwt.get_unverified_header(token)
        assert header["alg"] == "RS256"
        claims = jwt.decode(
            token,
            keys[header["kid"]],
            algorithms=["RS256"],
            audience="ewms",
            options={"require": ["iss", "sub", "aud", "iat", "nbf", "exp", "scope", "authorization_details"]},
        )
        assert claims["iss"].endswith("/mqbroker-issuer")
        assert claims["sub"] == profile["broker_address"].partition("@")[0] or claims["sub"]
        assert claims["exp"] - claims["iat"] == pytest.approx(24 * 3600, abs=120)
        # Both kinds of claim, for brokers of either kind; each names this queue and no other one.
        assert mqid in str(claims["scope"])
        details = claims["authorization_details"]
        assert details
        assert all(detail.keys() >= {"type", "locations", "actions"} for detail in details)
        other = first["mqid"] if profile is second else second["mqid"]
        assert other not in str(claims)


def test_the_key_id_is_the_digest_of_the_public_key_file(world: World) -> None:
    path: Path = world.stack.services.rabbitmq.key_files.public
    kids = [key["kid"] for key in ok(world.http.get(JWKS))["keys"]]
    assert hashlib.sha512(path.read_bytes()).hexdigest() in kids


def test_jwks_is_for_everybody_and_has_no_version_in_front(world: World) -> None:
    answer = ok(httpx2.get(f"{world.stack.gateway}{JWKS}"))
    assert answer.keys() == {"keys"}
    for key in answer["keys"]:
        assert key.keys() >= {"kid", "kty", "n", "e"}
        assert not key.keys() & {"d", "p", "q"}
    assert world.user.get(JWKS).status_code == 404


def reserve(world: World, workflow_id: str, **body: Any) -> dict[str, Any]:
    wish = {"queue_aliases": ["b", "a", "c"], "public": ["c", "b"], **body}
    reserved: dict[str, Any] = ok(wms(world).post(f"{group_of(workflow_id)}/reservation", wish))
    assert reserved.keys() == {"mqgroup", "mqprofiles"}
    is_exactly(reserved["mqgroup"], shapes.MQGROUP)
    for profile in reserved["mqprofiles"]:
        is_exactly(profile, shapes.MQPROFILE)
    return reserved


def test_a_reservation_names_queues_in_order_and_once(world: World) -> None:
    workflow_id = new_id()
    reserved = reserve(world, workflow_id)
    group, profiles = reserved["mqgroup"], reserved["mqprofiles"]
    assert (group["workflow_id"], group["criteria"]) == (workflow_id, None)
    assert [(p["alias"], p["is_public"], p["is_activated"]) for p in profiles] == [
        ("b", True, False),
        ("a", False, False),
        ("c", True, False),
    ]
    assert {p["timestamp"] for p in profiles} == {group["timestamp"]}
    assert {p["workflow_id"] for p in profiles} == {workflow_id}
    assert all(p[name] is None for p in profiles for name in ("auth_token", "broker_type", "broker_address"))
    # A repetition, with whatever in it, gets the stored group.
    assert reserve(world, workflow_id) == reserved
    assert ok(wms(world).get(group_of(workflow_id))) == group
    for profile in profiles:
        assert ok(wms(world).get(f"/mqs/mq-profiles/{profile['mqid']}")) == profile
    assert [p["alias"] for p in public(world, workflow_id)] == ["b", "c"]


def test_an_activation_opens_the_queues_and_a_repetition_mints_again(world: World) -> None:
    workflow_id = new_id()
    reserved = reserve(world, workflow_id)
    path = f"{group_of(workflow_id)}/activation"
    first = ok(wms(world).post(path, {"criteria": {"priority": 7}}))
    assert first.keys() == {"mqgroup", "mqprofiles"}
    is_exactly(first["mqgroup"], shapes.MQGROUP)
    assert first["mqgroup"] == {**reserved["mqgroup"], "criteria": {"priority": 7}}
    opened = {"is_activated": None, "auth_token": None, "broker_type": None, "broker_address": None}
    for was, now in zip(reserved["mqprofiles"], first["mqprofiles"], strict=True):
        is_exactly(now, shapes.MQPROFILE)
        assert now["is_activated"]
        assert now["auth_token"]
        assert now["broker_type"] == "rabbitmq"
        assert now | opened == was | opened
    again = ok(wms(world).post(path, {"criteria": {"priority": 7}}))
    assert again["mqgroup"] == first["mqgroup"]
    tokens = [{p["auth_token"] for p in answer["mqprofiles"]} for answer in (first, again)]
    assert tokens[0].isdisjoint(tokens[1])
    for profile in again["mqprofiles"]:
        found = ok(wms(world).get(f"/mqs/mq-profiles/{profile['mqid']}"))
        assert found["is_activated"]
    assert ok(wms(world).get(group_of(workflow_id))) == first["mqgroup"]
    shown = public(world, workflow_id)
    assert [p["alias"] for p in shown] == ["b", "c"]
    assert all(p["auth_token"] for p in shown)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "'queue_aliases' is a required property"),
        ({"queue_aliases": []}, "'queue_aliases': must have at least 1 items"),
        (
            {"queue_aliases": ["a"], "public": [], "foo": 1},
            "Additional properties are not allowed ('foo' was unexpected)",
        ),
        ({"queue_aliases": [1], "public": []}, "'queue_aliases.0': is not of type 'string'"),
        ({"queue_aliases": ["a"]}, ""),
    ],
)
def test_a_bad_reservation_is_400(world: World, body: Any, error: str) -> None:
    answer = wms(world).post(f"{group_of(new_id())}/reservation", body)
    assert answer.status_code == 400
    assert error in answer.json()["error"]


def test_what_was_not_reserved_is_404(world: World) -> None:
    nobody = new_id()
    answer = wms(world).post(f"{group_of(nobody)}/activation", {"criteria": None})
    assert answer.status_code == 404
    assert answer.json()["error"] in ("No MQProfiles found for workflow id", "MQGroup not found")
    refused(wms(world).get(group_of(nobody)), 404, "MQGroup not found")
    refused(wms(world).get("/mqs/mq-profiles/a00000000000000000000"), 404, "MQProfile not found")
