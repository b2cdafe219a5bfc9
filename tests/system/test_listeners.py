"""What the running system listens on, and what it answers to somebody who brings no secret; `docs/security.md`."""

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

from deploy.local.choices.launch_options import SCHEDD
from deploy.local.servers.mongodb import KEY
from deploy.local.system.stack import Stack
from ewms import Client
from tests.integration.deploy.descendants import below
from tests.live_files import walk_live
from tests.system.conftest import one_task


def _listening() -> Iterator[tuple[str, str, int]]:
    """Yield inode, address and port of every TCP socket of this machine that listens; the address as /proc has it."""
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[1].rpartition(":")
            if fields[3] == "0A":
                yield fields[9], address, int(port, 16)


def _sockets(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(descriptor.readlink().name.removeprefix("socket:[").removesuffix("]"))
    return found


def test_every_port_is_on_loopback_and_known(stack: Stack) -> None:
    services = stack.services
    known = {
        services.mongodb.port: "mongod",
        services.rabbitmq.ports["amqp"]: "beam.smp",
        services.rabbitmq.ports["management"]: "beam.smp",
        **{services.ports.current[name]: "python" for name in ("jwks", "gateway", "issuer", "tms")},
    }
    ours = {socket: child for child in below(os.getpid()) for socket in _sockets(child.pid)}
    found = {(address, port): ours[inode] for inode, address, port in _listening() if inode in ours}
    # Other sets of servers of this test session run beside the stack.
    programs = {port: Path(child.command.split()[0]).name for (_, port), child in found.items()}
    assert {port: programs[port].rstrip("0123456789.") for port in known} == known
    assert {address for address, _ in found} == {"0100007F"}, "127.0.0.1, and nothing of IPv6"
    all_programs = [Path(child.command.split()[0]).name for child in below(os.getpid()) if child.command.strip()]
    assert "epmd" not in all_programs
    # AMQP and the management API; no port for other nodes, none for Prometheus.
    assert list(programs.values()).count("beam.smp") == 2 * all_programs.count("beam.smp")


#: HTCondor's daemons, whatever is configured, take sockets without a file, to which every account can connect. They
#: take the same connections as the port does, and ask for the same token.
OF_HTCONDOR = re.compile(r"@[0-9a-f]{64}/\w+")


def test_no_unix_socket_is_open_to_others_but_htcondors(stack: Stack) -> None:
    assert stack.services.condor is not None
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    ours = {socket for child in below(os.getpid()) for socket in _sockets(child.pid)}
    # The flag of those that listen; its inode; its name.
    names = {words[7] for words in lines if words[3] == "00010000" and words[6] in ours and len(words) > 7}
    without_a_file = {name for name in names if name.startswith("@")}
    assert {name for name in without_a_file if not OF_HTCONDOR.fullmatch(name)} == set()
    assert any(name.endswith("/collector") for name in without_a_file), "it sees the sockets of the system"
    files = [Path(name) for name in names - without_a_file]
    assert [file for file in files if all(_is_passable(up) for up in file.parents)] == []


def _is_passable(directory: Path) -> bool:
    # One that is not there for us is in a view of its own.
    return directory.exists() and bool(directory.stat().st_mode & 0o001)


@pytest.mark.parametrize(
    "path",
    ["overview", "queues", "definitions", "connections", "users", "whoami", "vhosts", "nodes"],
)
def test_the_brokers_management_tells_a_stranger_nothing(stack: Stack, path: str) -> None:
    management = f"http://127.0.0.1:{stack.services.rabbitmq.ports['management']}"
    assert httpx2.get(f"{management}/api/{path}").status_code == 401
    assert httpx2.get(f"{management}/api/{path}", auth=("guest", "guest")).status_code == 401
    assert httpx2.get(f"{management}/metrics").status_code == 404


def test_the_issuer_gives_a_stranger_its_public_key_and_no_token(stack: Stack) -> None:
    issuer = stack.issuer.url
    for name in ("developer", "ops", "system-tms", ""):
        form = {"grant_type": "client_credentials", "client_id": name, "client_secret": ""}
        assert httpx2.post(f"{issuer}/token", data=form).status_code == 401
    assert httpx2.post(f"{issuer}/token").status_code == 400
    (key,) = httpx2.get(f"{issuer}/jwks").json()["keys"]
    assert set(key) == {"kty", "n", "e", "key_ops", "kid", "use", "alg"}


def test_health_and_metrics_tell_a_stranger_no_name_of_anything(stack: Stack, client: Client) -> None:
    run = client.submit(one_task("cp $1 $2", n_workers=1))
    run.wait("active", timeout="60s")
    names = {run.id, "developer", *(run.queue(alias).profile().mqid for alias in ("in", "out"))}
    ports = stack.services.ports.current
    for name in ("gateway", "jwks", "tms"):
        for path in ("healthz", "readyz", "metrics"):
            text = httpx2.get(f"http://127.0.0.1:{ports[name]}/{path}").raise_for_status().text
            assert not [word for word in (*names, "127.0.0.1", SCHEDD) if word in text], f"{name}/{path}"
    management = f"http://127.0.0.1:{stack.services.rabbitmq.ports['management']}"
    token = run.queue("in").profile().auth_token or ""
    for login in ({"auth": ("", token)}, {"headers": {"Authorization": f"Bearer {token}"}}):
        assert httpx2.get(f"{management}/api/whoami", **login).status_code == 401, "a queue token opens queues"
    run.abort()


def _secrets(stack: Stack) -> set[str]:
    services = stack.services
    issued = json.loads(stack.issuer.config.read_text())["clients"].values()
    return {
        *(user.password for user in services.rabbitmq.users.values()),
        *(account.password for account in services.mongodb.accounts.values()),
        *(client["secret"] for client in issued),
        (services.run / "mongodb" / KEY).read_text(),
        (services.run / "rabbitmq/.erlang.cookie").read_text(),
    }


def test_every_file_with_a_secret_is_its_owners_alone(stack: Stack) -> None:
    assert all(len(secret) >= 20 for secret in _secrets(stack))
    secrets = [secret.encode() for secret in _secrets(stack)]
    # The line that begins a key: libraries in images contain its words alone.
    secrets += [b"-----BEGIN PRIVATE KEY-----", b"-----BEGIN EC PRIVATE KEY-----", b"-----BEGIN RSA PRIVATE KEY-----"]
    holders = []
    for root in (stack.services.run, stack.services.data.root):
        for path in walk_live(root):
            with suppress(OSError):
                if path.is_file() and path.stat().st_size < 4_000_000:
                    content = path.read_bytes()
                    if any(secret in content for secret in secrets):
                        holders.append(path)
                        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert {"key", ".erlang.cookie", "issuer.json", "broker-users.json"} <= {path.name for path in holders}


def test_logs_are_the_owners_alone_and_a_crash_leaves_no_memory_on_disk(stack: Stack) -> None:
    assert stat.S_IMODE(stack.logs.stat().st_mode) == 0o700
    assert stat.S_IMODE(stack.services.run.stat().st_mode) & 0o066 == 0
    for child in (*(server.child for server in stack.services.servers), *map(stack.get_child, stack.names)):
        limits = Path(f"/proc/{child.pid}/limits").read_text().splitlines()
        (core,) = [line.split() for line in limits if line.startswith("Max core file size")]
        assert core[4] == "0", child.name
