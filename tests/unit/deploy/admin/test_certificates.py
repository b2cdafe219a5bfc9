"""`ewms-admin certificates`: an authority, and servers' certificates that OpenSSL itself finds good."""

import ssl
import stat
from pathlib import Path

import pytest

from deploy.admin.__main__ import EXIT_UNUSABLE, main
from deploy.admin.certificates import make_certificates
from schemas.errors import Conflict, Rejected


def shake_hands(authority: Path, certificate: Path, host: str) -> None:
    """Let a client that trusts `authority` and a server with `certificate` greet each other, without a socket.

    Raises:
        ssl.SSLError: the client refuses the certificate.
    """
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate, certificate.with_suffix(".key"))
    client = ssl.create_default_context(cafile=authority)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(back, there, server_hostname=host),
        server.wrap_bio(there, back, server_side=True),
    ]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


def test_a_client_that_trusts_the_authority_believes_a_server_on_all_its_hosts_and_on_no_other(tmp_path: Path) -> None:
    hosts = ["mq1.example.org", "*.example.com", "127.0.0.1", "::1"]
    assert make_certificates(tmp_path, {"broker": hosts}) == ["ca", "broker"]
    for host in ("mq1.example.org", "mq2.example.com", "127.0.0.1", "::1"):
        shake_hands(tmp_path / "ca.crt", tmp_path / "broker.crt", host)
    for host in ("mq2.example.org", "127.0.0.2"):
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            shake_hands(tmp_path / "ca.crt", tmp_path / "broker.crt", host)
    make_certificates(tmp_path / "other", {})
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tmp_path / "other/ca.crt", tmp_path / "broker.crt", "mq1.example.org")


def test_keys_are_for_their_owner_alone_and_what_is_there_stays(tmp_path: Path) -> None:
    make_certificates(tmp_path, {"broker": ["mq1"]})
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {
        "ca.crt": 0o644, "ca.key": 0o600, "broker.crt": 0o644, "broker.key": 0o600, "broker.pem": 0o600,
    }  # fmt: skip
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert make_certificates(tmp_path, {"broker": ["mq1"], "mqs": ["mqs"]}) == ["mqs"]
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    shake_hands(tmp_path / "ca.crt", tmp_path / "mqs.crt", "mqs")


@pytest.mark.parametrize(
    ("servers", "told"),
    [
        ({"ca": ["h"]}, "'ca' is no name of a server"),
        ({"../x": ["h"]}, "is no name of a server"),
        ({"broker": []}, "broker has no host"),
        ({"broker": ["a b"]}, "'a b' is no host"),
        ({"broker": ["x" * 300]}, "is no host"),
    ],
)
def test_a_name_or_a_host_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path, servers: dict[str, list[str]], told: str
) -> None:
    with pytest.raises(Rejected, match=told):
        make_certificates(tmp_path / "new", {"good": ["h"], **servers})
    assert not (tmp_path / "new").exists()


def test_an_authority_without_its_key_signs_nothing(tmp_path: Path) -> None:
    make_certificates(tmp_path / "a", {})
    make_certificates(tmp_path / "b", {})
    (tmp_path / "a/ca.key").write_bytes((tmp_path / "b/ca.key").read_bytes())
    with pytest.raises(Conflict, match="is not the key of"):
        make_certificates(tmp_path / "a", {"broker": ["h"]})
    (tmp_path / "a/ca.key").unlink()
    with pytest.raises(Conflict, match="cannot sign"):
        make_certificates(tmp_path / "a", {"broker": ["h"]})


def test_the_command_says_what_is_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["certificates", str(tmp_path / "tls"), "broker=mq1.example.org,mq2.example.org"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{tmp_path}/tls/ca.crt", f"{tmp_path}/tls/broker.crt"]
    assert main(["certificates", str(tmp_path / "tls"), "mqs"]) == EXIT_UNUSABLE
    assert capsys.readouterr().err == (
        "certificates: mqs has no host (write mqs=HOST,HOST with every name and address of the server)\n"
    )
