"""Which authorities a process trusts, and what it says about a certificate that it refuses."""

import ssl
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from deploy.admin.__main__ import EXIT_FAULTY, main
from deploy.admin.certificates import make_certificates
from runtime.hosts.certificates import (
    VARIABLE,
    BadAuthorities,
    BadCertificate,
    ServerCertificate,
    explain_distrust,
    find_http_options,
    find_mongo_options,
    find_tls_context,
    make_tls_context,
)
from runtime.settings import ServiceSettings

MONGO = "mongodb://wms:x@db1,db2/WMS_DB?replicaSet=ewms&tls=true"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an authority, and certificates of two servers."""
    directory = tmp_path_factory.mktemp("tls")
    make_certificates(directory, {"a": ["a.example.org"], "b": ["b.example.org"]})
    return directory


def test_without_the_variable_the_libraries_ways_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert find_tls_context() is None
    assert find_http_options("https://h") == find_mongo_options(MONGO) == {}


def test_with_the_variable_each_client_that_uses_tls_trusts_the_file(
    monkeypatch: pytest.MonkeyPatch, made: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(made / "ca.crt"))
    options = find_http_options("https://h")
    assert isinstance(options["verify"], ssl.SSLContext)
    assert options["verify"] is find_tls_context(), "the system's certificates are read once"
    ours = [one for one in options["verify"].get_ca_certs() if "EWMS authority" in str(one["subject"])]
    assert len(ours) == 1
    assert len(options["verify"].get_ca_certs()) > 1, "the system's authorities count, too"
    assert find_http_options("http://h") == {}
    assert find_mongo_options(MONGO) == {"tlsCAFile": str(made / "ca.crt")}
    assert find_mongo_options(f"{MONGO}&tlsCAFile=/other.crt") == {}
    assert find_mongo_options("mongodb://h/") == {}


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    make_certificates(tmp_path / "1", {})
    make_certificates(tmp_path / "2", {})
    file = tmp_path / "ca.crt"
    file.write_bytes((tmp_path / "1/ca.crt").read_bytes())
    before = make_tls_context(file)
    file.write_bytes((tmp_path / "2/ca.crt").read_bytes())
    assert make_tls_context(file) is not before


@pytest.mark.parametrize(
    ("content", "told"), [(None, "cannot be read: No such file"), ("text", "holds no certificate")]
)
def test_a_file_without_authorities_is_refused_with_its_name(tmp_path: Path, content: str | None, told: str) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_text(content)
    with pytest.raises(BadAuthorities, match=told) as refused:
        make_tls_context(file)
    assert VARIABLE in refused.value.reason
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "why", "remedy"),
    [
        ("self-signed certificate in certificate chain (_ssl.c:1006)", "self-signed certificate in certificate chain",
         VARIABLE),
        ("unable to get local issuer certificate (_ssl.c:1000), Timeout: 3s", "unable to get local issuer certificate",
         VARIABLE),
        ("Hostname mismatch, certificate is not valid for 'h'. (_ssl.c:1000)", "Hostname mismatch",
         "names this address"),
        ("IP address mismatch, certificate is not valid for '::1'.", "IP address mismatch", "names this address"),
        ("certificate has expired (_ssl.c:1000)", "certificate has expired", "new certificate"),
    ],
)  # fmt: skip
def test_a_refused_certificate_is_found_below_the_librarys_error(text: str, why: str, remedy: str) -> None:
    refused = ConnectionError("no connection")
    refused.__cause__ = ssl.SSLError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {text}")
    assert explain_distrust(refused)[0] == why
    assert remedy in explain_distrust(refused)[1]


def test_another_error_is_no_refused_certificate() -> None:
    assert explain_distrust(ConnectionError("refused")) == explain_distrust(None) == ("", "")


def test_a_certificate_with_another_ones_key_is_refused(made: Path, tmp_path: Path) -> None:
    assert ServerCertificate(made / "a.crt", made / "a.key").make_context()
    with pytest.raises(BadCertificate, match=r"a.crt and .*b.key are no certificate with its key"):
        ServerCertificate(made / "a.crt", made / "b.key").make_context()
    with pytest.raises(BadCertificate, match=r"nothing.key cannot be read: No such file"):
        ServerCertificate(made / "a.crt", tmp_path / "nothing.key").make_context()


def test_settings_find_the_files_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, made: Path) -> None:
    cert, key, ca = made / "a.crt", made / "a.key", made / "ca.crt"

    def make_settings(**files: Path) -> ServiceSettings:
        return ServiceSettings(control_amqp_url=SecretStr("amqp://h/v"), **files)

    for one in ({"tls_cert_file": cert}, {"tls_key_file": key}):
        with pytest.raises(ValidationError, match="need each other: set both, or none"):
            make_settings(**one)
    assert make_settings().certificate is None
    good = make_settings(tls_cert_file=cert, tls_key_file=key, ca_file=ca)
    assert good.certificate == ServerCertificate(cert, key)
    good.check_certificates()
    with pytest.raises(BadCertificate):
        make_settings(tls_cert_file=cert, tls_key_file=made / "b.key").check_certificates()
    with pytest.raises(BadAuthorities):
        make_settings(ca_file=key).check_certificates()


def test_the_operators_check_names_a_certificate_that_cannot_be_used(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tms.env"
    text = f'EWMS_CONTROL_AMQP_URL=amqp://h/v\nEWMS_SCHEDD=s\nEWMS_TMS_DIR={tmp_path}\nEWMS_PILOT_COMMAND=["x"]\n'
    file.write_text(f"{text}EWMS_TLS_CERT_FILE={made}/a.crt\nEWMS_TLS_KEY_FILE={made}/b.key\n")
    file.chmod(0o600)
    assert main(["config", "check", "tms", "--env-file", str(file)]) == EXIT_FAULTY
    assert "are no certificate with its key" in capsys.readouterr().err
    file.write_text(f"{text}EWMS_CA_FILE={tmp_path}/nothing.crt\n")
    assert main(["config", "check", "tms", "--env-file", str(file)]) == EXIT_FAULTY
    assert capsys.readouterr().err == "tms: EWMS_CA_FILE: there is no such file or directory\n"
