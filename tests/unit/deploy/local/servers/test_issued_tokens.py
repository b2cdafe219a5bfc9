"""The tokens of the local issuer."""

from pathlib import Path

import jwt

from deploy.local.files.secret_files import make_key_pair
from deploy.local.servers import issued_tokens
from deploy.local.servers.issued_tokens import AUDIENCE, sign_token


def test_a_key_is_parsed_once_and_a_new_key_signs_at_once(tmp_path: Path) -> None:
    issued_tokens._parse_key.cache_clear()
    keys = make_key_pair(tmp_path, "issuer")
    for _ in range(2):
        for subject in ("ada", "ben", "eve"):
            token = sign_token(keys, "http://issuer", subject, {}, 60)
            public = keys.public.read_bytes().decode()
            assert jwt.decode(token, public, algorithms=["RS256"], audience=AUDIENCE)["sub"] == subject
        keys.private.unlink()
        keys = make_key_pair(tmp_path, "issuer")
    assert issued_tokens._parse_key.cache_info().misses == 2
