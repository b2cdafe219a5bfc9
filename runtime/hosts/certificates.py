"""Which authorities a process trusts to sign the certificates of servers, and which certificate its own server shows.

    EWMS_CA_FILE    a file of certificates in PEM: the authority of a site that signs its own

Every client of ours asks here: those of the broker, the database and HTTP, in services, pilots and the command. Such a
file belongs to a whole process, as OpenSSL's own SSL_CERT_FILE does, so it is read from the environment. AMQP and HTTP
trust the system's authorities besides it, MongoDB's driver only those in it.
"""

import os
import re
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from runtime.hosts.host_list import is_encrypted
from schemas.errors import Rejected

VARIABLE = "EWMS_CA_FILE"

#: Python's words for a certificate that it refuses. MongoDB's driver passes on nothing but these words.
_REFUSED = re.compile(r"certificate verify failed: (.+?)\.?(?: \(_ssl|$|, )")
#: A part of OpenSSL's reason -> what helps.
_REMEDIES = (
    ("mismatch", "use an address that the certificate names, or give the server a certificate that names this address"),
    ("expired", "give the server a new certificate"),
    ("not yet valid", "check the clocks of both machines"),
    ("", f"set {VARIABLE} to the file with the certificate of the authority that signed it"),
)


class BadAuthorities(Rejected):
    """The file of authorities cannot be used."""


class BadCertificate(Rejected):
    """The certificate of our own server cannot be used."""


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """The files of a server's certificate, with those between it and the authority, and of its private key."""

    cert_file: Path
    key_file: Path

    def make_context(self) -> ssl.SSLContext:
        """Return the context with which the server listens.

        Raises:
            BadCertificate: a file cannot be read, is none in PEM, or the key does not belong to the certificate.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            for file in (self.cert_file, self.key_file):
                file.open("rb").close()
            # Without an answer here OpenSSL would ask the terminal for the key's password.
            context.load_cert_chain(self.cert_file, self.key_file, password=lambda: "")
        except ssl.SSLError as error:
            raise BadCertificate(
                f"EWMS_TLS_CERT_FILE and EWMS_TLS_KEY_FILE: {self.cert_file} and {self.key_file} are no certificate "
                f"with its key in PEM ({error.reason or 'not readable'})",
                hint="name a certificate and the key that belongs to it, without a password",
            ) from error
        except OSError as error:
            raise BadCertificate(
                f"EWMS_TLS_CERT_FILE, EWMS_TLS_KEY_FILE: {error.filename} cannot be read: {error.strerror}",
                hint="name the files of this server's certificate and key",
            ) from error
        return context


def find_tls_context() -> ssl.SSLContext | None:
    """Return how to check certificates; None if the environment names no file: then the library's own way counts.

    Raises:
        BadAuthorities: the file that the environment names cannot be used.
    """
    named = os.environ.get(VARIABLE, "")
    return make_tls_context(Path(named)) if named else None


def make_tls_context(ca_file: Path) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities, and those in `ca_file`.

    The file is read again when it has changed.

    Raises:
        BadAuthorities: the file cannot be read, or holds no certificate.
    """
    try:
        return _load(ca_file, ca_file.stat().st_mtime_ns)
    except ssl.SSLError as error:
        raise BadAuthorities(
            f"the file of authorities ({VARIABLE}) {ca_file} holds no certificate in PEM",
            hint="name the file of your authority, such as ca.crt",
        ) from error
    except OSError as error:
        raise BadAuthorities(
            f"the file of authorities ({VARIABLE}) {ca_file} cannot be read: {error.strerror}",
            hint="name the file of your authority, such as ca.crt",
        ) from error


@cache
def _load(ca_file: Path, _changed_ns: int) -> ssl.SSLContext:
    # The system's certificates take a tenth of a second.
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=ca_file)
    return context


def find_http_options(address: str) -> dict[str, Any]:
    """Return the options of an HTTP client of `address`. Without https there are none, as to load them takes time.

    Raises:
        BadAuthorities: the file that the environment names cannot be used.
    """
    context = find_tls_context() if is_encrypted(address) else None
    return {} if context is None else {"verify": context}


def find_mongo_options(address: str) -> dict[str, Any]:
    """Return the options of MongoDB's driver for `address`. An authority that the address itself names counts alone.

    Raises:
        BadAuthorities: the file that the environment names cannot be used.
    """
    if not is_encrypted(address) or "tlscafile=" in address.lower() or find_tls_context() is None:
        return {}
    return {"tlsCAFile": os.environ[VARIABLE]}


def explain_distrust(error: BaseException | None) -> tuple[str, str]:
    """Return why a server's certificate was refused, and what helps. Return ("", "") if that is not what failed."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if found := _REFUSED.search(str(error)):
            why = found[1]
            return why, next(remedy for part, remedy in _REMEDIES if part in why)
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return "", ""
