"""Write keys and other secrets to files that only their owner can read, and find those of an earlier launch."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True, slots=True)
class MadeKeyFiles:
    """The paths of the two files of a key pair."""

    private: Path
    public: Path

    @property
    def kid(self) -> str:
        """The key's id in token headers, as the contract defines it: SHA-512 of the public PEM, in hex."""
        return hashlib.sha512(self.public.read_bytes()).hexdigest()


def make_key_pair(directory: Path, name: str) -> MadeKeyFiles:
    """Write a new RSA-2048 pair `<name>.pem` and `<name>.pub.pem` into `directory`, and return the paths of both.

    Raises:
        OSError: the private key exists already, or a file cannot be written.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    files = MadeKeyFiles(private=directory / f"{name}.pem", public=directory / f"{name}.pub.pem")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_secret(files.private, private)
    partial = files.public.with_suffix(".new")
    partial.write_bytes(public)
    partial.rename(files.public)
    return files


def load_key_pair(directory: Path, name: str) -> MadeKeyFiles:
    """Return the paths of the key pair `name` in `directory`. If the public key is missing, make a new pair first."""
    files = MadeKeyFiles(private=directory / f"{name}.pem", public=directory / f"{name}.pub.pem")
    # `make_key_pair` writes the public half last.
    if not files.public.exists():
        files.private.unlink(missing_ok=True)
        return make_key_pair(directory, name)
    return files


def load_or_make(path: Path, make: Callable[[], Any]) -> Any:
    """Return the content of the JSON file `path`. If the file is missing, write the result of `make()` to it, and
    return that.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        made = make()
        replace_secret(path, json.dumps(made, indent=1).encode())
        return made


def replace_secret(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically, readable by its owner only. A reader finds the old or the new content."""
    partial = path.with_name(f".{path.name}.new")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)


def write_secret(path: Path, content: bytes) -> None:
    """Write `content` to the new file `path`. From the first moment on, only its owner can read the file.

    Raises:
        OSError: the file exists already, or cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
