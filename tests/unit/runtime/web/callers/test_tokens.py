"""Forged, stale and misdirected tokens: each is refused, and none can fail in any other way than a refusal.

Signed here by hand where the library would rather not sign what is wrong.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import httpx2
import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from runtime.web.callers.tokens import TokenVerifier
from schemas.errors import EWMSError, Unauthenticated, Unavailable

ISSUER = "https://idp.example/realms/ewms"
AUDIENCE = "ewms-rest"

OURS = rsa.generate_private_key(public_exponent=65537, key_size=2048)
THEIRS = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())
PUBLIC_PEM = OURS.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPublicKey) else ECAlgorithm
    return {**json.loads(algorithm.to_jwk(key)), "kid": kid, **more}


JWKS: list[Any] = [
    jwk(OURS.public_key(), "rsa"),
    jwk(CURVE.public_key(), "ec"),
    {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(b"k" * 32).decode()},
    jwk(THEIRS.public_key(), "for-encryption", use="enc"),
    {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
    {"kty": "from the future", "kid": "future"},
    {"kty": "RSA"},
    "not a key",
    jwk(rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key(), "weak"),
]


class Idp:
    """An issuer without a network: counts what it is asked, and can be away."""

    def __init__(self, keys: list[Any] | None = None) -> None:
        self.keys = JWKS if keys is None else keys
        self.away = False
        self.asked: list[str] = []
        self.verifier = TokenVerifier(
            issuer=ISSUER, audience=AUDIENCE, http=httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer))
        )

    @property
    def n_fetches(self) -> int:
        return sum(url.endswith("openid-configuration") for url in self.asked)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(str(request.url))
        if self.away:
            raise httpx2.ConnectError("away")
        if request.url.path.endswith("/.well-known/openid-configuration"):
            return httpx2.Response(200, json={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/certs"})
        return httpx2.Response(200, json={"keys": self.keys})


@pytest.fixture
def idp() -> Idp:
    return Idp()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 600, **changes}
    return {name: value for name, value in whole.items() if value is not None}


def signed(
    payload: dict[str, Any], *, key: Any = OURS, alg: str = "RS256", kid: str | None = "rsa", **header: Any
) -> str:
    return jwt.encode(payload, key, algorithm=alg, headers={**({"kid": kid} if kid is not None else {}), **header})


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: Any, payload: Any, sign: Callable[[bytes], bytes] = lambda _: b"") -> str:
    head, body = (b64(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, payload))
    return f"{head}.{body}.{b64(sign(f'{head}.{body}'.encode()))}"


def rs256(data: bytes) -> bytes:
    return OURS.sign(data, padding.PKCS1v15(), hashes.SHA256())


def hs256(key: bytes) -> Callable[[bytes], bytes]:
    return lambda data: hmac.new(key, data, hashlib.sha256).digest()


GOOD_HEADER = {"alg": "RS256", "typ": "JWT", "kid": "rsa"}

FORGERIES: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "no dots": lambda: "token",
    "two parts": lambda: ".".join(signed(claims()).split(".")[:2]),
    "five parts, as an encrypted one": lambda: "a.b.c.d.e",
    "not base64": lambda: "ä.ö.ü",
    "header is no JSON": lambda: by_hand(b"{", claims()),
    "header is a list": lambda: by_hand([], claims(), rs256),
    "header is nested without end": lambda: by_hand(b'{"alg":' + b"[" * 5000, claims()),
    "payload is a list": lambda: by_hand(GOOD_HEADER, [], rs256),
    "payload is nested without end": lambda: by_hand(GOOD_HEADER, b'{"sub":' + b"[" * 5000, rs256),
    "huge": lambda: signed(claims(padding="x" * 20_000)),
    "alg none": lambda: by_hand({"alg": "none", "kid": "rsa"}, claims()),
    "alg None in other letters": lambda: by_hand({"alg": "nOnE", "kid": "rsa"}, claims()),
    "no alg": lambda: by_hand({"kid": "rsa"}, claims(), rs256),
    "alg is a list": lambda: by_hand({"alg": ["RS256"], "kid": "rsa"}, claims(), rs256),
    "HS256 with the public key as its secret": lambda: by_hand(
        {"alg": "HS256", "kid": "rsa"}, claims(), hs256(PUBLIC_PEM)
    ),
    "HS256 with an empty secret": lambda: by_hand({"alg": "HS256", "kid": "rsa"}, claims(), hs256(b"")),
    "HS256 with the symmetric key of the set": lambda: by_hand(
        {"alg": "HS256", "kid": "secret"}, claims(), hs256(b"k" * 32)
    ),
    "RS256 in the name of the symmetric key": lambda: signed(claims(), kid="secret"),
    "RS384, a right signature of an algorithm that is not taken": lambda: signed(claims(), alg="RS384"),
    "PS256, likewise": lambda: signed(claims(), alg="PS256"),
    "RS256 in the name of the curve's key": lambda: signed(claims(), kid="ec"),
    "ES256 in the name of the RSA key": lambda: signed(claims(), key=CURVE, alg="ES256", kid="rsa"),
    "another's key": lambda: signed(claims(), key=THEIRS),
    "a key for encryption": lambda: signed(claims(), key=THEIRS, kid="for-encryption"),
    "an RSA key of 1024 bits": lambda: signed(claims(), kid="weak"),
    "no kid": lambda: signed(claims(), kid=None),
    "kid is unknown": lambda: signed(claims(), kid="nobody"),
    "kid is a path": lambda: signed(claims(), kid="../../etc/passwd"),
    "kid is a URL": lambda: signed(claims(), kid="https://evil.example/key"),
    "kid is a query": lambda: signed(claims(), kid="' OR 1=1 --"),
    "kid is a number": lambda: by_hand({"alg": "RS256", "kid": 7}, claims(), rs256),
    "kid is an object": lambda: by_hand({"alg": "RS256", "kid": {"$ne": ""}}, claims(), rs256),
    "brings its own key": lambda: signed(claims(), key=THEIRS, jwk=jwk(THEIRS.public_key(), "rsa")),
    "brings a place for a key": lambda: signed(claims(), key=THEIRS, jku="https://evil.example/jwks", kid="evil"),
    "brings a certificate": lambda: signed(claims(), key=THEIRS, x5u="https://evil.example/cert", x5c=["MIIB"]),
    "a critical extension": lambda: by_hand({**GOOD_HEADER, "crit": ["b64"], "b64": False}, claims(), rs256),
    "payload was changed": lambda: _changed(signed(claims()), 1),
    "signature was changed": lambda: _changed(signed(claims()), 2),
    "signature was cut off": lambda: signed(claims()).rpartition(".")[0] + ".",
    "expired": lambda: signed(claims(exp=int(time.time()) - 61)),
    "not before long": lambda: signed(claims(nbf=int(time.time()) + 120)),
    "issued in the future": lambda: signed(claims(iat=int(time.time()) + 120)),
    "no exp": lambda: signed(claims(exp=None)),
    "no iat": lambda: signed(claims(iat=None)),
    "no iss": lambda: signed(claims(iss=None)),
    "no aud": lambda: signed(claims(aud=None)),
    "no sub": lambda: signed(claims(sub=None)),
    "sub is empty": lambda: signed(claims(sub="")),
    "sub is an object": lambda: by_hand(GOOD_HEADER, claims(sub={"$ne": ""}), rs256),
    "exp is text": lambda: by_hand(GOOD_HEADER, claims(exp="tomorrow"), rs256),
    "exp is infinite": lambda: by_hand(GOOD_HEADER, claims(exp=float("inf")), rs256),
    "exp is not a number": lambda: by_hand(GOOD_HEADER, claims(exp=float("nan")), rs256),
    "exp is a list": lambda: by_hand(GOOD_HEADER, claims(exp=[1]), rs256),
    "another issuer": lambda: signed(claims(iss="https://evil.example")),
    "an issuer that begins like ours": lambda: signed(claims(iss=f"{ISSUER}.evil.example")),
    "another audience": lambda: signed(claims(aud="ewms")),
    "an audience that contains ours": lambda: signed(claims(aud=f"{AUDIENCE}x")),
    "audiences without ours": lambda: signed(claims(aud=["a", "b"])),
}


def _changed(token: str, part: int) -> str:
    parts = token.split(".")
    middle = len(parts[part]) // 2
    parts[part] = parts[part][:middle] + ("A" if parts[part][middle] != "A" else "B") + parts[part][middle + 1 :]
    return ".".join(parts)


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_forged_token_is_refused_and_says_nothing_of_why(idp: Idp, forgery: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await idp.verifier.verify_token(FORGERIES[forgery]())
    assert refused.value.reason == "authentication failed"
    assert refused.value.code == 403
    assert all(url.startswith(ISSUER) for url in idp.asked)


@pytest.mark.parametrize(
    "token",
    [
        lambda: signed(claims()),
        lambda: signed(claims(), alg="RS512"),
        lambda: signed(claims(), key=CURVE, alg="ES256", kid="ec"),
        lambda: signed(claims(aud=["other", AUDIENCE])),
        lambda: signed(claims(exp=time.time() - 30, iat=time.time() + 30, nbf=time.time() + 30)),
        lambda: signed(claims(), jku="https://evil.example/jwks"),
    ],
    ids=["RS256", "RS512", "ES256", "several audiences", "clocks apart by half a minute, as floats", "jku is ignored"],
)
async def test_a_good_token_holds(idp: Idp, token: Callable[[], str]) -> None:
    assert (await idp.verifier.verify_token(token()))["sub"] == "ada"


@given(st.data())
def test_no_text_fails_in_another_way_than_a_refusal(data: st.DataObject) -> None:
    good = signed(claims())
    text = data.draw(
        st.text(max_size=50)
        | st.builds(
            lambda at, with_: good[:at] + with_ + good[at + 1 :],
            st.integers(0, len(good) - 1),
            st.text(max_size=3).filter(lambda inserted: inserted.strip() != ""),
        )
    )
    idp = Idp()

    async def ask() -> None:
        try:
            found = await idp.verifier.verify_token(text)
        except EWMSError as error:
            assert isinstance(error, Unauthenticated)  # noqa: PT017 - the kind is what is tested
        else:
            # Base64 has characters whose last bits say nothing: another spelling of the same bytes is no forgery.
            assert found["sub"] == "ada"

    asyncio.run(ask())


async def test_a_token_that_held_is_not_checked_again_until_it_expires(
    idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = signed(claims())
    first = await idp.verifier.verify_token(token)
    monkeypatch.setattr(jwt, "decode", lambda *_, **__: pytest.fail("checked again"))
    assert await idp.verifier.verify_token(token) is first


async def test_a_remembered_token_expires_all_the_same(idp: Idp) -> None:
    token = signed(claims(exp=int(time.time()) + 5))
    await idp.verifier.verify_token(token)
    with time_machine.travel(time.time() + 66), pytest.raises(Unauthenticated):
        await idp.verifier.verify_token(token)


async def test_unknown_kids_do_not_make_us_ask_the_issuer_more_than_once_in_a_while(idp: Idp) -> None:
    for number in range(50):
        with pytest.raises(Unauthenticated):
            await idp.verifier.verify_token(signed(claims(), kid=f"nobody-{number}"))
    assert idp.n_fetches == 1


async def test_many_first_requests_at_once_fetch_the_keys_once_and_all_hold(idp: Idp) -> None:
    tokens = [signed(claims(sub=f"user-{number}")) for number in range(20)]
    found = await asyncio.gather(*(idp.verifier.verify_token(token) for token in tokens))
    assert [each["sub"] for each in found] == [f"user-{number}" for number in range(20)]
    assert idp.n_fetches == 1


async def test_a_new_key_is_found_by_its_kid_and_an_old_one_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    idp = Idp([jwk(OURS.public_key(), "old")])
    old, new = signed(claims(), kid="old"), signed(claims(), key=THEIRS, kid="new")
    await idp.verifier.verify_token(old)
    idp.keys = [jwk(THEIRS.public_key(), "new")]
    later = time.monotonic() + 6
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert (await idp.verifier.verify_token(new))["sub"] == "ada"
    with pytest.raises(Unauthenticated):
        await idp.verifier.verify_token(old)


async def test_without_the_issuer_known_keys_go_on_and_unknown_ones_are_asked_to_come_later(
    idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    await idp.verifier.verify_token(signed(claims()))
    idp.away = True
    later = time.monotonic() + 3600
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert (await idp.verifier.verify_token(signed(claims(sub="bob"))))["sub"] == "bob"
    with pytest.raises(Unavailable):
        await idp.verifier.verify_token(signed(claims(), kid="nobody"))


async def test_an_issuer_that_was_never_there_is_unavailable_and_not_a_refusal(idp: Idp) -> None:
    idp.away = True
    with pytest.raises(Unavailable):
        await idp.verifier.verify_token(signed(claims()))


async def test_a_remembered_token_of_a_withdrawn_key_is_refused_at_the_next_look_after_a_pause_in_the_traffic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    idp = Idp([jwk(OURS.public_key(), "old"), jwk(THEIRS.public_key(), "stays")])
    old, stays = signed(claims(), kid="old"), signed(claims(), key=THEIRS, kid="stays")
    await idp.verifier.verify_token(old)
    held = await idp.verifier.verify_token(stays)
    idp.keys = [jwk(THEIRS.public_key(), "stays")]
    later = time.monotonic() + 3600
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(Unauthenticated):
        await idp.verifier.verify_token(old)
    assert await idp.verifier.verify_token(stays) is held


async def test_who_asks_after_a_first_fetch_was_broken_off_is_not_refused() -> None:
    asked = asyncio.Event()

    async def silent(_: httpx2.Request) -> httpx2.Response:
        asked.set()
        return await asyncio.get_running_loop().create_future()

    verifier = TokenVerifier(issuer=ISSUER, http=httpx2.AsyncClient(transport=httpx2.MockTransport(silent)))
    first = asyncio.create_task(verifier.verify_token(signed(claims())))
    await asked.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    with pytest.raises(Unavailable):
        await verifier.verify_token(signed(claims()))


@pytest.mark.parametrize(
    "discovery",
    [
        json.dumps({"issuer": ISSUER, "jwks_uri": "https://idp.example:port/certs"}).encode(),
        b"[" * 100_000,
    ],
    ids=["no address", "nested without end"],
)
async def test_an_issuer_whose_answer_is_no_good_is_unavailable(discovery: bytes) -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=discovery))
    verifier = TokenVerifier(issuer=ISSUER, http=httpx2.AsyncClient(transport=transport))
    with pytest.raises(Unavailable):
        await verifier.verify_token(signed(claims()))
