"""Start a personal HTCondor pool: one partitionable slot with room for eight workers on a machine of any size.

<home>/                      ends with the launch
    condor_config            the daemons' configuration
    job_wrapper              if an ordinary user launches: starts each job without a view of EWMS's files
    1/ 2/ …                  one for each start: sockets, locks, jobs' directories
    client/                  0700: the launcher and tests use the pool with it; the same at all starts
        condor_config
        tokens.d/ewms        the one token, 0600
    tms/                     the same for a TMS with another account
<data>/spool/                the queue of jobs; outlives the launch
<secrets>/passwords.d/POOL   the key that signs tokens of this pool, 0600; outlives the launch
"""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import htcondor2

from deploy.local.children.accounts import CONDOR, ROOT, TMS
from deploy.local.children.processes import LaunchedProcess, LaunchedProcesses, SeenAs, await_ready
from deploy.local.children.seclusion import CoveredDirectories, SecludedAccounts, is_covering
from deploy.local.choices.prerequisites import allows_namespaces
from deploy.local.errors import LaunchError
from deploy.local.files.run_directory import make_empty
from deploy.local.files.secret_files import replace_secret, write_secret
from deploy.local.servers.condor_config import IDENTITY, PoolPlan, client_configuration, job_wrapper, pool_configuration
from deploy.local.servers.condor_queries import has_running_jobs, is_answering
from pilot.chirp.proxy import CHIRP_VARIABLE

_START_TIMEOUT_S = 60.0
#: How many seconds running jobs have to leave their slots when the pool ends.
_VACATE_S = 10.0
_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"


class PersonalPool:
    """An HTCondor pool of this launch. Clients find it, and a token for it, with `CONDOR_CONFIG=config`."""

    name = "HTCondor"

    def __init__(
        self,
        children: LaunchedProcesses,
        tree: Path,
        home: Path,
        log: Path,
        *,
        schedd: str,
        port: int,
        data: Path,
        secrets: Path,
        secluded: SecludedAccounts | None = None,
        covered: CoveredDirectories | None = None,
        shared: Iterable[Path] = (),
        shared_with_jobs: Iterable[Path] = (),
    ) -> None:
        """Prepare the pool. If `secluded`, it has its own accounts. If `covered`, it sees only some of EWMS's files.

        In both cases the pool sees `shared` and `shared_with_jobs`. If `covered`, a job sees only `shared_with_jobs`.
        """
        self._plan = PoolPlan(
            tree=tree,
            home=home,
            work=home / "1",
            spool=data / "spool",
            key=secrets / "passwords.d/POOL",
            # The daemons' own logs stay with the other logs.
            logs=log.with_suffix(""),
            port=port,
            schedd=schedd,
            ids=_daemon_ids(secluded),
            has_accounts=secluded is not None,
            client=home / "client",
        )
        self._secluded = secluded
        self._covered = covered
        self._shared_with_jobs = tuple(shared_with_jobs)
        self._shared = (*shared, *self._shared_with_jobs)
        self._children = children
        self._log = log
        self._n_starts = 0
        #: Whether jobs cannot see EWMS's files of this launch.
        self.hides_launch = False
        self._child: LaunchedProcess | None = None

    @property
    def config(self) -> Path:
        """The configuration of clients."""
        return self._plan.client_config

    @property
    def tms_config(self) -> Path:
        """The configuration of TMS."""
        return self.config if self._secluded is None else self._plan.for_tms.client_config

    @property
    def child(self) -> LaunchedProcess:
        """The running pool."""
        if self._child is None:
            raise RuntimeError("HTCondor was not started")
        return self._child

    @property
    def own_ports(self) -> Mapping[str, int]:
        """The ports on which the pool listens, by name."""
        return {"condor": self._plan.port}

    def start(self) -> "PersonalPool":
        """Start the pool, and wait until it answers queries about its schedd and its slot.

        Raises:
            LaunchError: the pool did not start; the error names the log.
        """
        child = self.relaunch()
        use_config(self.config)
        await_ready(child, self.is_ready, timeout_s=_START_TIMEOUT_S)
        return self

    def relaunch(self) -> LaunchedProcess:
        """Start the pool again after its end, with the jobs in its queue. Return before it is ready."""
        # Remove the directories of the last start: its jobs' files above all would add up.
        shutil.rmtree(self._plan.home / str(self._n_starts), ignore_errors=True)
        self._n_starts += 1
        # Use a new directory at each start: dying daemons of an earlier start remove the lock files in theirs.
        plan = replace(self._plan, work=make_empty(self._plan.home / str(self._n_starts)))
        plan = replace(plan, job_holder=self._holder_command(plan))
        self.hides_launch = bool(plan.job_holder) or self._secluded is not None
        _write_pool(plan)
        if self._secluded is not None:
            _give_files_to_accounts(plan, self._secluded)
        self._child = self._children.launch(
            self.name,
            [plan.tree / "usr/sbin/condor_master", "-f", "-t"],
            log=self._log,
            environment=_client_environment(plan.config),
            cwd=plan.home,
            seen_as=SeenAs.UID_1,
            secluded=self._view_command(plan),
        )
        return self._child

    def _view_command(self, plan: PoolPlan) -> list[str]:
        """Return the command prefix that hides the launch's files from the pool and its jobs, except for those that
        they need.
        """
        readable = (plan.tree, plan.config, plan.key.parent, *([plan.job_wrapper] if plan.job_holder else []))
        writable = (plan.work, plan.spool, plan.logs, *self._shared)
        if self._secluded is not None:
            return self._secluded.account_command(ROOT, readable=readable, writable=writable)
        if self._covered is not None and allows_namespaces():
            return self._covered.covering_command(readable=readable, writable=writable)
        return []

    def _holder_command(self, plan: PoolPlan) -> tuple[str, ...]:
        """Return the command prefix that hides our files from a job.

        Return an empty tuple if jobs have accounts of their own, or if this machine cannot hide files.
        """
        if self._covered is None:
            return ()
        words = self._covered.job_command(writable=self._shared_with_jobs, files=[CHIRP_VARIABLE])
        return tuple(words) if is_covering(words, plan.work) else ()

    def is_ready(self) -> bool:
        """Return whether the pool answers queries about its schedd and its slot."""
        return is_answering(self._plan.port, self._plan.schedd)

    def stop(self) -> None:
        """End the pool. Running jobs leave their slots, and all jobs stay in the queue.

        HTCondor's fast shutdown is faster. But after it, the next start looks for the pilots until the jobs' leases are
        over.
        """
        if has_running_jobs(self._plan.port, self._plan.schedd):
            self.child.send_signal(signal.SIGTERM)
            if self.child.wait(_VACATE_S):
                return
        self.child.stop(signal.SIGQUIT)


def use_config(config: Path) -> None:
    """Make `config` the HTCondor configuration of this process and its children.

    The bindings have one configuration for each process. `reload_config(path)` of 25.14 reads the file, then forgets
    it, so set `CONDOR_CONFIG` instead.
    """
    os.environ["CONDOR_CONFIG"] = str(config)
    htcondor2.reload_config()


def _write_pool(plan: PoolPlan) -> None:
    for directory in (plan.work / "execute", plan.work / "lock", plan.work / "run", plan.spool, plan.logs):
        directory.mkdir(exist_ok=True)
    plan.key.parent.mkdir(mode=0o700, exist_ok=True)
    if not plan.key.exists():
        replace_secret(plan.key, secrets.token_hex(32).encode())
    # After the first start the pool owns this directory: a link in it must not lead root elsewhere.
    plan.config.unlink(missing_ok=True)
    if plan.job_holder:
        plan.job_wrapper.write_text(job_wrapper(plan))
        plan.job_wrapper.chmod(0o700)
    with plan.config.open("x") as config:
        config.write(pool_configuration(plan))
    # Clients may read their configuration at any moment, so write it once: it is the same at all starts.
    if not plan.token.exists():
        if os.getuid() == 0:
            # An earlier launch may have given the file to an account, and HTCondor reads no key of another account.
            os.chown(plan.key, 0, 0)
        _write_client(plan, _sign_token(plan).encode())


def _write_client(plan: PoolPlan, token: bytes) -> None:
    if not plan.token.exists():
        plan.client.mkdir(mode=0o700)
        plan.token.parent.mkdir(mode=0o700)
        plan.client_config.write_text(client_configuration(plan))
        write_secret(plan.token, token)


def _daemon_ids(secluded: SecludedAccounts | None) -> str:
    if secluded is not None:
        return f"{CONDOR}.{CONDOR}"
    return "1.1" if os.getuid() == 0 else f"{os.getuid()}.{os.getgid()}"


def _give_files_to_accounts(plan: PoolPlan, secluded: SecludedAccounts) -> None:
    """Make the pool's accounts the owners of its files: its root owns the key, TMS a token, the daemons the rest."""
    _write_client(plan.for_tms, plan.token.read_bytes())
    for path, account in (
        (plan.work, CONDOR),
        (plan.spool, CONDOR),
        (plan.logs, CONDOR),
        (plan.key.parent, ROOT),
        (plan.for_tms.client, TMS),
    ):
        secluded.give_tree(path, account)
    for path in (plan.spool, plan.logs, plan.work / "lock", plan.work / "run"):
        path.chmod(0o700)
    # Let jobs reach their own directories, which are closed to other jobs.
    (plan.work / "execute").chmod(0o711)
    for path in (plan.home, plan.work):
        secluded.give_alone(path, ROOT)
        path.chmod(0o711)


def _sign_token(plan: PoolPlan) -> str:
    """Make a token for `IDENTITY`, signed with the pool's key, and return it. The token is valid as long as the key."""
    made = subprocess.run(
        [plan.tree / "usr/bin/condor_token_create", "-identity", IDENTITY],
        env=_client_environment(plan.config),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise LaunchError(
            f"HTCondor could not make a token for its pool: {made.stderr.strip()[-500:]}",
            f"check that {plan.tree}/usr/bin/condor_token_create runs here",
        )
    return made.stdout


def _client_environment(config: Path) -> dict[str, str]:
    return {"PATH": _PATH, "CONDOR_CONFIG": str(config), "LC_ALL": "C"}
