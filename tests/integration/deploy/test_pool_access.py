"""Nobody but the launcher uses the HTCondor pool: another account of the machine is refused everything."""

import json
import os
import re
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import htcondor2
import pytest

from deploy.local.choices.launch_options import SCHEDD
from deploy.local.fetch.cache import Installed
from deploy.local.system.services import Services
from tests.integration.deploy.as_nobody import run_as_nobody
from tests.integration.deploy.descendants import below

_CHECKOUT = Path(__file__).parents[3]
_SCRIPT = Path(__file__).with_name("outsider.py")

#: Every way to prove oneself that HTCondor knows and that needs no secret, and none at all.
_WITHOUT_A_TOKEN = """\
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = {collector}
NO_DNS = True
DEFAULT_DOMAIN_NAME = localdomain
UID_DOMAIN = ewms.local
TRUST_DOMAIN = ewms.local
SCHEDD_HOST = {schedd}
LOG = {home}
SEC_DEFAULT_AUTHENTICATION = {authentication}
SEC_DEFAULT_AUTHENTICATION_METHODS = FS, CLAIMTOBE, ANONYMOUS, PASSWORD, IDTOKENS, SSL
SEC_CLIENT_AUTHENTICATION_METHODS = FS, CLAIMTOBE, ANONYMOUS, PASSWORD, IDTOKENS, SSL
"""


@pytest.mark.parametrize("authentication", ["REQUIRED", "OPTIONAL", "NEVER"])
def test_an_account_without_the_token_is_refused_everything(
    condor: Path, installed: Installed, authentication: str
) -> None:
    collector = str(htcondor2.param["COLLECTOR_HOST"])
    location = htcondor2.Collector().locate(htcondor2.DaemonType.Schedd, SCHEDD)
    with tempfile.TemporaryDirectory(prefix="o") as directory:
        Path(directory).chmod(0o755)
        home, stage = Path(directory, "home"), Path(directory, "stage")
        home.mkdir()
        stage.mkdir(mode=0o700)
        config = home / "config"
        config.write_text(
            _WITHOUT_A_TOKEN.format(collector=collector, schedd=SCHEDD, home=home, authentication=authentication)
        )
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "CONDOR_CONFIG": str(config),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        outcome = run_as_nobody(
            [sys.executable, str(_SCRIPT), str(installed.pool), collector, location["MyAddress"]],
            home=home,
            stage=stage,
            needed=(installed.pool, _CHECKOUT, Path(sys.base_prefix)),
            environment=environment,
        )
    assert outcome.returncode == 0, outcome.stderr
    ended = json.loads(outcome.stdout)
    assert {name: said for name, (verdict, said) in ended.items() if verdict != "refused"} == {}
    assert len(ended) >= 18
    # It still works, and nothing came into it.
    schedd = htcondor2.Schedd(location)
    assert schedd.query(f'Iwd == "{home}"', projection=["ClusterId"]) == []


#: The command by which HTCondor's daemons hand a connection on to each other. Source: HTCondor, condor_commands.h.
_PASS_SOCKET = 76


def _name_of_the_collectors_socket() -> str:
    """Return the name of the socket without a file at which the collector of these tests' pool listens."""
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    names = {f"socket:[{words[6]}]": words[7] for words in lines if len(words) > 7}
    ours = set()
    for child in below(os.getpid()):
        # What has ended meanwhile, or closed it.
        with suppress(OSError):
            for descriptor in Path(f"/proc/{child.pid}/fd").iterdir():
                with suppress(OSError):
                    ours.add(names.get(str(descriptor.readlink()), ""))
    return next(name for name in sorted(ours) if re.fullmatch(r"@[0-9a-f]{64}/collector", name))


def _hand_on(listener: socket.socket, name: str) -> None:
    """Hand the next connection of `listener` to the daemon at the socket `name`, as one from the pool's own port."""
    connection, _ = listener.accept()
    with connection, socket.socket(socket.AF_UNIX) as way:
        way.connect(f"\0{name[1:]}")
        way.sendall(struct.pack(">BIq", 1, 8, _PASS_SOCKET))
        socket.send_fds(way, [b"\0"], [connection.fileno()])
        way.recv(64)


def test_a_stranger_who_goes_round_the_pools_port_is_asked_for_the_token_as_well(
    condor: Path, installed: Installed, tmp_path: Path
) -> None:
    name = _name_of_the_collectors_socket()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        collector = f"127.0.0.1:{listener.getsockname()[1]}"
        (config := tmp_path / "config").write_text(
            _WITHOUT_A_TOKEN.format(collector=collector, schedd=SCHEDD, home=tmp_path, authentication="REQUIRED")
        )
        handing = threading.Thread(target=_hand_on, args=(listener, name), daemon=True)
        handing.start()
        done = subprocess.run(
            [installed.pool / "usr/bin/condor_status", "-any", "-pool", collector],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CONDOR_CONFIG": str(config)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=150,
        )
        handing.join(timeout=60)
    assert done.returncode != 0
    assert "Failed to authenticate using IDTOKENS" in done.stderr, "the collector itself has answered"


def test_the_token_is_readable_by_nobody_else(condor: Path, services: Services) -> None:
    token = condor.parent / "tokens.d/ewms"
    key = services.data.secrets / "condor/passwords.d/POOL"
    for secret in (token, key):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700


def test_every_permission_of_the_pool_names_who_has_it(condor: Path, installed: Installed) -> None:
    """What HTCondor leaves open by default is set; an open door of a later version shows here."""
    dump = subprocess.run(
        [installed.pool / "usr/bin/condor_config_val", "-dump", "ALLOW|METHODS|QUEUE_SUPER|ENABLE_.*CONFIG"],
        env={"CONDOR_CONFIG": str(condor.parents[1] / "condor_config"), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    settings = dict(line.split(" =", 1) for line in dump.splitlines() if " =" in line)
    for name, value in settings.items():
        if name.endswith("_METHODS"):
            assert value.strip() == "IDTOKENS", name
        elif name.startswith(("ALLOW_", "HOSTALLOW_")) and value.strip() not in ("true", "false"):
            # A client may speak to any server: both sides of a token prove that they have it.
            assert name == "ALLOW_CLIENT" or "*" not in value.replace("condor_pool@", ""), name
    assert not [name for name in settings if name.startswith("HOSTALLOW")]
    levels = ("READ", "WRITE", "ADMINISTRATOR", "CONFIG", "DAEMON", "NEGOTIATOR")
    advertising = ("ADVERTISE_MASTER", "ADVERTISE_SCHEDD", "ADVERTISE_STARTD")
    assert {f"ALLOW_{level}" for level in (*levels, *advertising)} <= settings.keys()


def test_the_launcher_is_let_in_by_its_token(condor: Path, installed: Installed, tmp_path: Path) -> None:
    """The same tries, so that the refusals above are about rights and not about mistakes."""
    location = htcondor2.Collector().locate(htcondor2.DaemonType.Schedd, SCHEDD)
    tries = ["list the daemons", "list the slots", "submit a job", "list the jobs", "condor_status", "condor_q"]
    arguments = [str(installed.pool), str(htcondor2.param["COLLECTOR_HOST"]), location["MyAddress"], *tries]
    outcome = subprocess.run(
        [sys.executable, _SCRIPT, *arguments],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "CONDOR_CONFIG": str(condor)},
        capture_output=True,
        text=True,
        check=True,
    )
    schedd = htcondor2.Schedd(location)
    schedd.act(htcondor2.JobAction.Remove, f'Iwd == "{tmp_path}"')
    assert {name: said for name, (verdict, said) in json.loads(outcome.stdout).items() if verdict != "let in"} == {}
