"""Start a personal HTCondor pool: one partitionable slot that runs eight workers whatever the machine has.

<home>/                      HTCondor's spool, its jobs' directories, its locks
    condor_config            of the daemons
    passwords.d/POOL         the key that signs tokens of this pool, 0600
    client/                  0700: what TMS, the launcher and tests use the pool with
        condor_config
        tokens.d/ewms        the one token, 0600
"""

import os
import secrets
import signal
import subprocess
from pathlib import Path

import htcondor2

from deploy.local.condor_config import IDENTITY, PoolPlan, client_configuration, pool_configuration
from deploy.local.errors import LaunchError
from deploy.local.keys import write_secret
from deploy.local.ports import free_ports
from deploy.local.processes import As, Child, Children, await_ready

_START_TIMEOUT_S = 60.0
_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"


class Condor:
    """A running pool; clients find it, and prove themselves to it, by `CONDOR_CONFIG=config`."""

    def __init__(self, *, config: Path, schedd: str, child: Child) -> None:
        self.config = config
        self.schedd = schedd
        self.child = child

    def stop(self) -> None:
        """End the pool and its jobs; HTCondor calls this the fast shutdown."""
        self.child.stop(signal.SIGQUIT)


def start_condor(children: Children, tree: Path, home: Path, log: Path, *, schedd: str) -> Condor:
    """Start the pool of `tree`; ready when its schedd and its slot can be asked for.

    `home` must be new: dying daemons of an earlier pool would take the lock files that they know there.

    Raises:
        LaunchError: it did not come up; the log is named.
    """
    # Its daemons' own logs, kept with the others.
    (logs := log.with_suffix("")).mkdir(exist_ok=True)
    (port,) = free_ports(1)
    ids = "1.1" if os.getuid() == 0 else f"{os.getuid()}.{os.getgid()}"
    plan = PoolPlan(tree=tree, home=home, logs=logs, port=port, schedd=schedd, ids=ids)
    _write(plan)
    child = children.launch(
        "HTCondor",
        [tree / "usr/sbin/condor_master", "-f", "-t"],
        log=log,
        environment=_environment(plan.config),
        cwd=home,
        seen_as=As.UID_1,
    )
    use(plan.client_config)
    await_ready(child, lambda: _answers(port, schedd), timeout_s=_START_TIMEOUT_S)
    return Condor(config=plan.client_config, schedd=schedd, child=child)


def use(config: Path) -> None:
    """Make `config` this process's HTCondor configuration, and that of its children.

    The bindings keep one a process; `reload_config(path)` of 25.14 reads the file and then forgets it.
    """
    os.environ["CONDOR_CONFIG"] = str(config)
    htcondor2.reload_config()


def _write(plan: PoolPlan) -> None:
    for name in ("spool", "execute", "lock", "run"):
        (plan.home / name).mkdir()
    for directory in (plan.key.parent, plan.client, plan.token.parent):
        directory.mkdir(mode=0o700)
    write_secret(plan.key, secrets.token_hex(32).encode())
    plan.config.write_text(pool_configuration(plan))
    plan.client_config.write_text(client_configuration(plan))
    write_secret(plan.token, _token(plan).encode())


def _token(plan: PoolPlan) -> str:
    """Return a token of `IDENTITY`, signed with the pool's key; it is as good as the key, so as long as the pool."""
    made = subprocess.run(
        [plan.tree / "usr/bin/condor_token_create", "-identity", IDENTITY],
        env=_environment(plan.config),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise LaunchError(
            f"HTCondor made no token for its pool: {made.stderr.strip()[-500:]}",
            f"see whether {plan.tree}/usr/bin/condor_token_create runs here",
        )
    return made.stdout


def _environment(config: Path) -> dict[str, str]:
    return {"PATH": _PATH, "CONDOR_CONFIG": str(config), "LC_ALL": "C"}


def _answers(port: int, schedd: str) -> bool:
    try:
        collector = htcondor2.Collector(f"127.0.0.1:{port}")
        slots = collector.query(htcondor2.AdType.Startd, projection=["Name"])
        names = [ad["Name"] for ad in collector.query(htcondor2.AdType.Schedd, projection=["Name"])]
        if not slots or schedd not in names:
            return False
        location = collector.locate(htcondor2.DaemonType.Schedd, schedd)
        htcondor2.Schedd(location).query(projection=["ClusterId"], limit=1)
    except (htcondor2.HTCondorException, RuntimeError):
        return False
    return True
