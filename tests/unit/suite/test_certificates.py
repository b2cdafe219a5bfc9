"""Clients share the certificates that they have loaded, as long as they trust the same authorities."""

import ssl
from typing import Any

import httpx2
import pytest
from httpx2._transports import default as transports


def _context_of(**options: Any) -> ssl.SSLContext:
    """Return what a transport with these options checks certificates by."""
    found: ssl.SSLContext = httpx2.HTTPTransport(**options)._pool._ssl_context
    return found


def test_clients_that_trust_the_same_share_their_certificates() -> None:
    alone = _context_of(trust_env=False)
    assert _context_of(trust_env=False) is alone
    assert _context_of() is not alone
    assert alone.verify_mode is ssl.CERT_REQUIRED


def test_a_client_with_certificates_of_its_own_shares_none() -> None:
    own = ssl.create_default_context()
    assert _context_of(verify=own) is own
    assert _context_of(verify=False) is not _context_of(verify=False)
    assert transports.create_ssl_context(verify=False).verify_mode is ssl.CERT_NONE


def test_other_certificates_in_the_environment_are_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = _context_of()
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("none")))
    named = _context_of()
    assert named is not before
    assert named.get_ca_certs() == []
