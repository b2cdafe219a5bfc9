"""The configuration of the local HTCondor pool and of its clients, as text. (core)

By default HTCondor trusts every unix account of the machine. This pool trusts only one identity, which a client proves
by a token signed with the pool's key. A user without the token can read and change nothing.
"""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.local.children.accounts import slot_name

N_WORKERS = 8

DOMAIN = "ewms.local"
#: The one identity that can read, write, submit and administrate. The launcher and TMS use it, and it owns all jobs.
OWNER = "ewms"
IDENTITY = f"{OWNER}@{DOMAIN}"
#: The identities of daemons among each other: by the pool's key, or by a session that a parent gives to its children.
_DAEMONS = f"condor_pool@{DOMAIN} condor@family condor@child"

_COMMON = f"""\
RELEASE_DIR = {{tree}}/usr
BIN = {{tree}}/usr/bin
SBIN = {{tree}}/usr/sbin
LIB = {{tree}}/usr/lib/condor
LIBEXEC = {{tree}}/usr/libexec/condor
SHARE = {{tree}}/usr/share/condor
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
CONDOR_IDS = {{ids}}

CONDOR_HOST = 127.0.0.1
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
NO_DNS = True
DEFAULT_DOMAIN_NAME = localdomain
FULL_HOSTNAME = localhost.localdomain
NETWORK_HOSTNAME = localhost.localdomain
# All daemons share one port. With a `?sock=` in COLLECTOR_HOST they would use the well-known port instead.
USE_SHARED_PORT = True
COLLECTOR_HOST = 127.0.0.1:{{port}}

UID_DOMAIN = {DOMAIN}
FILESYSTEM_DOMAIN = {DOMAIN}
TRUST_DOMAIN = {DOMAIN}
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_INTEGRITY = REQUIRED
SEC_DEFAULT_ENCRYPTION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = IDTOKENS
SEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS
SEC_ENABLE_TOKEN_FETCH = False
SEC_ENABLE_TOKEN_REQUEST = False
SEC_TOKEN_SYSTEM_DIRECTORY =
SEC_TOKEN_DIRECTORY = {{tokens}}
"""

_POOL = f"""\
LOCAL_DIR = {{work}}
LOG = {{logs}}
SPOOL = {{spool}}
EXECUTE = {{work}}/execute
LOCK = {{work}}/lock
RUN = {{work}}/run
DAEMON_LIST = MASTER SHARED_PORT COLLECTOR NEGOTIATOR SCHEDD STARTD
SHARED_PORT_PORT = {{port}}
SCHEDD_NAME = {{schedd}}

# Run eight workers on any machine: tasks here mostly wait for events.
NUM_CPUS = {N_WORKERS}
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
CREATE_CORE_FILES = False

# Without procd, the end of each job blocks the startd for 3 s.
USE_PROCD = True
CGROUP_MEMORY_LIMIT_POLICY = none
BASE_CGROUP =
DOCKER =
SINGULARITY =
STARTD_DETECT_GPUS =
ENABLE_CHIRP = True
ENABLE_CHIRP_DELAYED = True
ENABLE_CHIRP_UPDATES = True
CHIRP_DELAYED_UPDATE_PREFIX = Chirp*, Ewms*, HTChirp*
# A chirp must not change the job's command, the files it gets, or its accounting.
IMMUTABLE_JOB_ATTRS = {{fixed}}

SEC_PASSWORD_DIRECTORY = {{keys}}
SEC_TOKEN_POOL_SIGNING_KEY_FILE = {{keys}}/POOL
ALLOW_READ = {IDENTITY} {_DAEMONS}
ALLOW_WRITE = {IDENTITY} {_DAEMONS}
ALLOW_ADMINISTRATOR = {IDENTITY}
ALLOW_CONFIG =
ALLOW_DAEMON = {_DAEMONS}
ALLOW_NEGOTIATOR = {_DAEMONS}
ALLOW_ADVERTISE_MASTER = {_DAEMONS}
ALLOW_ADVERTISE_SCHEDD = {_DAEMONS}
ALLOW_ADVERTISE_STARTD = {_DAEMONS}
QUEUE_SUPER_USERS = {IDENTITY}
"""

#: For daemons that are root among accounts of their own: each slot has its own account for jobs.
_SLOT_USERS = "".join(f"SLOT1_{n}_USER = {slot_name(n)}\n" for n in range(1, 2 * N_WORKERS + 1))
_SECLUDED = f"""\
STARTER_ALLOW_RUNAS_OWNER = False
DEDICATED_EXECUTE_ACCOUNT_REGEXP = {slot_name(0).rstrip("0")}[0-9]+
{_SLOT_USERS}"""

#: For daemons and jobs of an ordinary user: a wrapper hides the other files of the launch from each job.
_WRAPPED = """\
USER_JOB_WRAPPER = {wrapper}
"""

#: Attributes of a job that stay as TMS submitted them.
_FIXED = (
    *("Cmd", "Args", "Arguments", "Env", "Environment", "Iwd", "In", "Out", "Err", "UserLog"),
    *("TransferExecutable", "TransferInput", "TransferOutput", "TransferOutputRemaps"),
    *("AcctGroup", "AcctGroupUser", "AccountingGroup", "PeriodicRemove", "WantIOProxy", "EWMSTaskforceUUID"),
)

_CLIENT = """\
SCHEDD_HOST = {schedd}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolPlan:
    """The facts for a pool's configuration. `ids` are the user id and the group id of its daemons, for example `1.1`.

    `has_accounts` is whether the pool runs the jobs of each slot under the slot's account.
    """

    tree: Path
    home: Path
    #: The directory of one start: sockets, locks and jobs' directories. Its path is short.
    work: Path
    #: The directory of the queue of jobs.
    spool: Path
    #: The file `POOL` with the key that signs the pool's tokens.
    key: Path
    logs: Path
    port: int
    schedd: str
    ids: str
    has_accounts: bool
    #: The directory of clients: configuration and token. Other accounts cannot read it.
    client: Path
    #: The command prefix that hides EWMS's files from a job; empty: a job sees all that the pool sees.
    job_holder: tuple[str, ...] = ()

    @property
    def config(self) -> Path:
        """The configuration of the daemons."""
        return self.home / "condor_config"

    @property
    def job_wrapper(self) -> Path:
        """The program that HTCondor starts instead of each job's command."""
        return self.home / "job_wrapper"

    @property
    def client_config(self) -> Path:
        """The configuration of a client."""
        return self.client / "condor_config"

    @property
    def token(self) -> Path:
        """The file with the clients' token."""
        return self.client / "tokens.d/ewms"

    @property
    def for_tms(self) -> "PoolPlan":
        """This plan with another client directory, for a TMS that has its own account.

        Such a TMS needs its own copy of the token, because HTCondor uses a token only if the token's owner reads it.
        """
        return replace(self, client=self.home / "tms")


def pool_configuration(plan: PoolPlan) -> str:
    """Return the daemons' configuration."""
    more = (_SECLUDED if plan.has_accounts else "") + (_WRAPPED if plan.job_holder else "")
    return (_COMMON + _POOL + more).format(
        tree=plan.tree,
        work=plan.work,
        spool=plan.spool,
        keys=plan.key.parent,
        logs=plan.logs,
        port=plan.port,
        schedd=plan.schedd,
        ids=plan.ids,
        fixed=", ".join(_FIXED),
        wrapper=plan.job_wrapper,
        # Daemons authenticate with the key, not with a token.
        tokens="",
    )


def job_wrapper(plan: PoolPlan) -> str:
    """Return the text of the program `PoolPlan.job_wrapper`. HTCondor passes the job's command to it as arguments."""
    return f'#!/bin/sh\nexec {shlex.join(plan.job_holder)} "$@"\n'


def client_configuration(plan: PoolPlan) -> str:
    """Return the clients' configuration. The token is their only way to authenticate."""
    return (_COMMON + _CLIENT).format(
        tree=plan.tree, port=plan.port, schedd=plan.schedd, ids=plan.ids, tokens=plan.token.parent
    )
