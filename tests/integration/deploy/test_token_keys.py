"""Whose tokens the broker believes: those of the key it was started with, and of keys that MQS's JWKS lists."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aio_pika
import jwt
import pytest
from aio_pika.exceptions import AMQPError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from deploy.local.files.secret_files import MadeKeyFiles, make_key_pair
from deploy.local.servers.rabbitmq import RabbitMQ


async def _is_believed(
    rabbitmq: RabbitMQ, keys: MadeKeyFiles, *, algorithm: str = "RS256", life_s: float = 60, **claims: object
) -> bool:
    now = int(time.time())
    body = {"sub": "u", "aud": "ewms", "iat": now, "exp": now + life_s, "scope": "ewms.read:ewms/q", **claims}
    token = jwt.encode(body, keys.private.read_bytes(), algorithm=algorithm, headers={"kid": keys.kid})
    try:
        connection = await aio_pika.connect(f"amqp://user:{token}@{rabbitmq.address.partition('@')[2]}")
    except (AMQPError, ConnectionError):
        return False
    await connection.close()
    return True


@pytest.fixture
def listed(rabbitmq: RabbitMQ) -> Iterator[list[MadeKeyFiles]]:
    """Keys that a stand-in for MQS lists, at the address where the broker asks."""
    keys: list[MadeKeyFiles] = []

    class Jwks(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"keys": [_jwk(key) for key in keys]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", rabbitmq.jwks_port), Jwks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield keys
        server.shutdown()


def _jwk(keys: MadeKeyFiles) -> dict[str, object]:
    public: Any = load_pem_public_key(keys.public.read_bytes())
    if isinstance(public, ec.EllipticCurvePublicKey):
        return {**ECAlgorithm.to_jwk(public, as_dict=True), "kid": keys.kid, "use": "sig", "alg": "ES256"}
    return {**RSAAlgorithm.to_jwk(public, as_dict=True), "kid": keys.kid, "use": "sig", "alg": "RS256"}


async def test_the_brokers_own_key_needs_no_mqs(rabbitmq: RabbitMQ) -> None:
    assert await _is_believed(rabbitmq, rabbitmq.key_files)


@pytest.mark.parametrize(
    "claims",
    [{"aud": "another"}, {"scope": "ewms.read:elsewhere/q"}, {"scope": "other.read:ewms/q"}],
    ids=["audience", "vhost", "resource"],
)
async def test_a_token_for_something_else_opens_nothing(rabbitmq: RabbitMQ, claims: dict[str, Any]) -> None:
    assert not await _is_believed(rabbitmq, rabbitmq.key_files, **claims)


async def test_an_expired_token_opens_nothing(rabbitmq: RabbitMQ) -> None:
    assert not await _is_believed(rabbitmq, rabbitmq.key_files, life_s=-5)


async def test_a_forgers_key_is_not_believed(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    forger = make_key_pair(tmp_path, "forger")
    assert not await _is_believed(rabbitmq, forger)
    # Nor under the id of the right one.
    disguised = MadeKeyFiles(forger.private, rabbitmq.key_files.public)
    assert not await _is_believed(rabbitmq, disguised)


async def test_a_key_that_mqs_lists_later_is_found_without_a_restart(
    rabbitmq: RabbitMQ, listed: list[MadeKeyFiles], tmp_path: Path
) -> None:
    rotated = make_key_pair(tmp_path, "rotated")
    assert not await _is_believed(rabbitmq, rotated)
    listed.append(rotated)
    assert await _is_believed(rabbitmq, rotated)
    # The key of the start stays beside it.
    assert await _is_believed(rabbitmq, rabbitmq.key_files)


async def test_a_key_that_mqs_lists_no_more_is_forgotten_with_the_next_look(
    rabbitmq: RabbitMQ, listed: list[MadeKeyFiles], tmp_path: Path
) -> None:
    old, new = make_key_pair(tmp_path, "old"), make_key_pair(tmp_path, "new")
    listed.append(old)
    assert await _is_believed(rabbitmq, old)
    listed[:] = [new]
    assert await _is_believed(rabbitmq, new)
    assert not await _is_believed(rabbitmq, old)


async def test_a_key_on_an_elliptic_curve_is_believed_too(
    rabbitmq: RabbitMQ, listed: list[MadeKeyFiles], tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    files = MadeKeyFiles(private=tmp_path / "ec.pem", public=tmp_path / "ec.pub.pem")
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    files.private.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    files.public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    listed.append(files)
    assert await _is_believed(rabbitmq, files, algorithm="ES256")
