"""Make RSA key pairs as files: the private one readable by its owner only."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """A key pair on disk."""

    private: Path
    public: Path

    @property
    def kid(self) -> str:
        """The key's id in token headers, as the contract has it: SHA-512 of the public PEM, in hex."""
        return hashlib.sha512(self.public.read_bytes()).hexdigest()


def make_key_pair(directory: Path, name: str) -> KeyFiles:
    """Write a new RSA-2048 pair `<name>.pem` and `<name>.pub.pem` into `directory`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    files = KeyFiles(private=directory / f"{name}.pem", public=directory / f"{name}.pub.pem")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_secret(files.private, private)
    files.public.write_bytes(public)
    return files


def write_secret(path: Path, content: bytes) -> None:
    """Write `content` to a new file that nobody else can read at any moment."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
