"""The development issuer speaks as any identity provider does, and hands out tokens to its own clients only."""

import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from deploy.local.servers.issued_tokens import (
    AUDIENCE,
    DEVELOPER,
    IssuerFiles,
    developer_token,
    mint_token,
    role_tokens,
    write_issuer,
)
from deploy.local.servers.token_issuer import issuer_application
from schemas.ids import DEFAULT_ORGANIZATION
from wms.tenancy.claims import DEFAULT_TENANCY_RULES, make_principal
from wms.tenancy.rights import TenancyRole


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> IssuerFiles:
    return write_issuer(tmp_path_factory.mktemp("issuer"), port=20_500)


def _config(issuer: IssuerFiles) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(issuer.config.read_text())
    return config


def _caller(issuer: IssuerFiles) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=issuer_application(_config(issuer)))
    return httpx2.AsyncClient(transport=transport, base_url=issuer.url)


def _claims(issuer: IssuerFiles, token: str) -> dict[str, Any]:
    public = issuer.keys.public.read_bytes()
    claims: dict[str, Any] = jwt.decode(token, public, algorithms=["RS256"], audience=AUDIENCE, issuer=issuer.url)
    return claims


async def test_discovery_leads_to_the_key_that_signs_the_tokens(issuer: IssuerFiles) -> None:
    async with _caller(issuer) as caller:
        found = (await caller.get("/.well-known/openid-configuration")).json()
        assert found["issuer"] == issuer.url
        keys = jwt.PyJWKSet.from_dict((await caller.get(found["jwks_uri"])).json())
    token = developer_token(issuer)
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=AUDIENCE)
    assert claims["sub"] == DEVELOPER
    assert claims["groups"] == ["/tokens/ewms-dev", "/organizations/default/member"]


def test_there_is_a_person_in_each_role_of_the_one_organization_and_above_it(issuer: IssuerFiles) -> None:
    tokens = role_tokens(issuer)
    assert list(tokens) == list(TenancyRole)
    for role, token in tokens.items():
        claims = _claims(issuer, token)
        person = make_principal(claims["sub"], claims, rules=DEFAULT_TENANCY_RULES, memberships=[])
        assert person.every_role == {role}
        assert set(person.roles) <= {DEFAULT_ORGANIZATION}


def test_a_minted_token_carries_what_it_was_asked_to_and_lives_as_long(issuer: IssuerFiles) -> None:
    claims = _claims(issuer, mint_token(issuer, "alice", {"groups": ["/physics"], "aud": AUDIENCE}, life_s=60))
    assert (claims["sub"], claims["groups"]) == ("alice", ["/physics"])
    assert claims["exp"] - claims["iat"] == 60


def test_an_expired_token_is_expired_and_was_issued_before(issuer: IssuerFiles) -> None:
    token = mint_token(issuer, "alice", {}, life_s=-30)
    with pytest.raises(jwt.ExpiredSignatureError):
        _claims(issuer, token)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["iat"] < claims["exp"] < time.time()


@pytest.mark.parametrize("by", ["basic", "body"])
async def test_a_client_gets_its_token_by_its_secret(issuer: IssuerFiles, by: str) -> None:
    secret = _config(issuer)["clients"]["system-tms"]["secret"]
    form = {"grant_type": "client_credentials"}
    headers = {}
    if by == "basic":
        headers["authorization"] = "Basic " + base64.b64encode(f"system-tms:{secret}".encode()).decode()
    else:
        form |= {"client_id": "system-tms", "client_secret": secret}
    async with _caller(issuer) as caller:
        answer = (await caller.post("/token", data=form, headers=headers)).raise_for_status().json()
    assert _claims(issuer, answer["access_token"])["ewms_role"] == "system-tms"
    assert answer["token_type"] == "Bearer"


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"grant_type": "client_credentials", "client_id": "ops", "client_secret": "guess"}, 401),
        ({"grant_type": "client_credentials", "client_id": "nobody", "client_secret": ""}, 401),
        ({"grant_type": "client_credentials"}, 401),
        ({"grant_type": "password", "client_id": "ops", "client_secret": "guess"}, 400),
        ({}, 400),
    ],
)
async def test_nobody_else_gets_one(issuer: IssuerFiles, form: dict[str, str], status: int) -> None:
    async with _caller(issuer) as caller:
        answer = await caller.post("/token", data=form)
        garbled = await caller.post("/token", data=form, headers={b"authorization": b"Basic \xff!!"})
    assert answer.status_code == status
    assert garbled.status_code in (400, 401)
    assert "access_token" not in answer.json()


def test_the_secrets_are_their_owners_only(issuer: IssuerFiles) -> None:
    for file in (issuer.config, issuer.keys.private):
        assert Path(file).stat().st_mode & 0o077 == 0


async def test_a_form_without_an_end_is_not_kept_in_memory(issuer: IssuerFiles) -> None:
    n_sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal n_sent
        # No more than a defect may cost this test.
        while n_sent < 100:
            n_sent += 1
            yield b"x" * 4096

    async with _caller(issuer) as caller:
        answer = await caller.post("/token", content=endless())
    assert answer.status_code == 413
    assert n_sent < 10
