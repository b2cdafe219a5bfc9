"""Make the authority of a site, and certificates that it signs for the servers of the site.

    <directory>/ca.crt        the authority: every process and pilot trusts it (EWMS_CA_FILE)
    <directory>/ca.key        signs further certificates; no server needs it
    <directory>/NAME.crt      a server's certificate, for its hosts
    <directory>/NAME.key      its private key
    <directory>/NAME.pem      both in one file, as mongod wants them

What is there already stays, and an authority that is there signs. Delete a server's files to give it new ones.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local.files.secret_files import replace_secret
from schemas.errors import Conflict, Rejected

AUTHORITY = "ca"

_AUTHORITY_LIFE, _SERVER_LIFE = timedelta(days=3650), timedelta(days=397)
#: Certificates begin so much earlier: the clocks of two machines differ.
_SKEW = timedelta(hours=1)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


def make_certificates(directory: Path, servers: Mapping[str, Sequence[str]]) -> list[str]:
    """Write into `directory` an authority, and a certificate for each of `servers`: name -> its hosts and addresses.
    Return the names of those that are new.

    Raises:
        Rejected: a name or a host is none.
        Conflict: the files of the authority cannot be used.
        OSError: a file cannot be written.
    """
    for name, hosts in servers.items():
        _check_names(name, hosts)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = [] if (directory / f"{AUTHORITY}.crt").exists() else [AUTHORITY]
    if made:
        _write_authority(directory)
    authority, key = _read_authority(directory)
    for name, hosts in servers.items():
        if not (directory / f"{name}.crt").exists():
            _write_server(directory, name, hosts, authority, key)
            made.append(name)
    return made


def _check_names(name: str, hosts: Sequence[str]) -> None:
    if not _NAME.fullmatch(name) or name == AUTHORITY:
        raise Rejected(f"{name!r} is no name of a server", hint="use letters, digits, '-', '_' and '.', and not 'ca'")
    if not hosts:
        raise Rejected(f"{name} has no host", hint=f"write {name}=HOST,HOST with every name and address of the server")
    for host in hosts:
        if not _is_address(host) and not _HOST.fullmatch(host):
            raise Rejected(
                f"{name}: {host!r} is no host", hint="write a name such as db1.example.org, or an IP address"
            )


def _write_authority(directory: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "EWMS authority of this site")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _begin_certificate(subject, subject, key.public_key(), _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    replace_secret(directory / f"{AUTHORITY}.key", _write_key(key))
    _write_public(directory / f"{AUTHORITY}.crt", _write_certificate(builder.sign(key, hashes.SHA256())))


def _read_authority(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    paths = directory / f"{AUTHORITY}.crt", directory / f"{AUTHORITY}.key"
    try:
        authority = x509.load_pem_x509_certificate(paths[0].read_bytes())
        key = serialization.load_pem_private_key(paths[1].read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise Conflict(
            f"{directory} has an authority that cannot sign: {paths[0].name} and {paths[1].name} do not both hold PEM",
            hint="give back both files, or choose another directory",
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != authority.public_key():
        raise Conflict(f"{paths[1]} is not the key of {paths[0]}", hint="give back both files of the authority")
    return authority, key


def _write_server(
    directory: Path, name: str, hosts: Sequence[str], authority: x509.Certificate, signer: ec.EllipticCurvePrivateKey
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    names = [_name_host(host) for host in hosts]
    # Members of a replica set and nodes of a cluster are clients of each other, too.
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _begin_certificate(subject, authority.subject, key.public_key(), _SERVER_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    certificate = _write_certificate(builder.sign(signer, hashes.SHA256()))
    replace_secret(directory / f"{name}.key", _write_key(key))
    replace_secret(directory / f"{name}.pem", certificate + _write_key(key))
    # The last one, because its presence says that all are there.
    _write_public(directory / f"{name}.crt", certificate)


def _begin_certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
    )


def _name_host(host: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(host)) if _is_address(host) else x509.DNSName(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _write_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_certificate(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_public(path: Path, content: bytes) -> None:
    replace_secret(path, content)
    path.chmod(0o644)
