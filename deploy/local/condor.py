"""Start a personal HTCondor pool: one partitionable slot that runs eight workers whatever the machine has."""

import os
import pwd
import secrets
import signal
from pathlib import Path

import htcondor2

from deploy.local.errors import LaunchError
from deploy.local.keys import write_secret
from deploy.local.ports import free_ports
from deploy.local.processes import As, Child, Children, await_ready

N_WORKERS = 8
_START_TIMEOUT_S = 60.0

_CONFIGURATION = """\
RELEASE_DIR = {tree}/usr
LOCAL_DIR = {home}
BIN = {tree}/usr/bin
SBIN = {tree}/usr/sbin
LIB = {tree}/usr/lib/condor
LIBEXEC = {tree}/usr/libexec/condor
SHARE = {tree}/usr/share/condor
LOG = {logs}
SPOOL = {home}/spool
EXECUTE = {home}/execute
LOCK = {home}/lock
RUN = {home}/run
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
DAEMON_LIST = MASTER SHARED_PORT COLLECTOR NEGOTIATOR SCHEDD STARTD

CONDOR_HOST = 127.0.0.1
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
NO_DNS = True
DEFAULT_DOMAIN_NAME = localdomain
FULL_HOSTNAME = localhost.localdomain
NETWORK_HOSTNAME = localhost.localdomain
UID_DOMAIN = ewms.local
FILESYSTEM_DOMAIN = ewms.local
TRUST_DOMAIN = ewms.local
# One port for all daemons. COLLECTOR_HOST with a `?sock=` would make it the well-known one instead.
USE_SHARED_PORT = True
SHARED_PORT_PORT = {port}
COLLECTOR_HOST = 127.0.0.1:{port}
SCHEDD_NAME = {schedd}

# Eight workers on any machine: a task of EWMS waits for events more than it computes.
NUM_CPUS = {n_workers}
MEMORY = 16384
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
START = True
SUSPEND = False
PREEMPT = False
KILL = False
NEGOTIATOR_INTERVAL = 2
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 5
PERIODIC_EXPR_INTERVAL = 2
POLLING_INTERVAL = 2
JOB_START_COUNT = 50
JOB_START_DELAY = 0
RUNBENCHMARKS = False

# Without the process daemon every job's end blocks the startd for 3 s.
USE_PROCD = True
CONDOR_IDS = {ids}
CGROUP_MEMORY_LIMIT_POLICY = none
BASE_CGROUP =
DOCKER =
SINGULARITY =
STARTD_DETECT_GPUS =
ENABLE_CHIRP = True
ENABLE_CHIRP_DELAYED = True
ENABLE_CHIRP_UPDATES = True
CHIRP_DELAYED_UPDATE_PREFIX = Chirp*, Ewms*, HTChirp*

SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_INTEGRITY = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = FS, IDTOKENS
SEC_PASSWORD_DIRECTORY = {home}/passwords.d
SEC_TOKEN_POOL_SIGNING_KEY_FILE = {home}/passwords.d/POOL
SEC_TOKEN_DIRECTORY = {home}/tokens.d
ALLOW_READ = *@ewms.local
ALLOW_WRITE = *@ewms.local
ALLOW_ADMINISTRATOR = {user}@ewms.local
ALLOW_DAEMON = {user}@ewms.local condor@ewms.local condor_pool@ewms.local
ALLOW_NEGOTIATOR = {user}@ewms.local condor@ewms.local condor_pool@ewms.local
"""


class Condor:
    """A running pool; clients find it by `CONDOR_CONFIG=config`."""

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
    for name in ("spool", "execute", "lock", "run"):
        (home / name).mkdir()
    # Its daemons' own logs, kept with the others.
    (logs := log.with_suffix("")).mkdir(exist_ok=True)
    for name in ("passwords.d", "tokens.d"):
        (home / name).mkdir(mode=0o700)
    write_secret(home / "passwords.d/POOL", secrets.token_hex(32).encode())
    (port,) = free_ports(1)
    config = home / "condor_config"
    as_root = os.getuid() == 0
    config.write_text(
        _CONFIGURATION.format(
            tree=tree,
            home=home,
            logs=logs,
            port=port,
            schedd=schedd,
            n_workers=N_WORKERS,
            ids="1.1" if as_root else f"{os.getuid()}.{os.getgid()}",
            user=_user_name(1 if as_root else os.getuid()),
        )
    )
    child = children.launch(
        "HTCondor",
        [tree / "usr/sbin/condor_master", "-f", "-t"],
        log=log,
        environment={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "CONDOR_CONFIG": str(config), "LC_ALL": "C"},
        cwd=home,
        seen_as=As.UID_1,
    )
    use(config)
    await_ready(child, lambda: _answers(port, schedd), timeout_s=_START_TIMEOUT_S)
    return Condor(config=config, schedd=schedd, child=child)


def use(config: Path) -> None:
    """Make `config` this process's HTCondor configuration, and that of its children.

    The bindings keep one a process; `reload_config(path)` of 25.14 reads the file and then forgets it.
    """
    os.environ["CONDOR_CONFIG"] = str(config)
    htcondor2.reload_config()


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


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise LaunchError(
            f"user id {uid} has no name on this machine, and HTCondor knows people by name",
            "add the user to /etc/passwd, or run as a user who is there",
        ) from None
