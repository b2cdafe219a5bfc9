"""Start RabbitMQ with EWMS's vhosts, users and token keys, and restart it in place."""

import asyncio
import json
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import aio_pika
from aio_pika.exceptions import AMQPError

from deploy.local.children.processes import LaunchedProcess, LaunchedProcesses, await_ready
from deploy.local.files.secret_files import MadeKeyFiles, load_key_pair, replace_secret, write_secret
from deploy.local.servers.broker import BrokerAccess, kept_users
from deploy.local.servers.broker_definitions import ADMIN, broker_definitions
from deploy.local.servers.broker_nodes import BrokerNode
from deploy.local.servers.broker_plugins import link_plugins
from deploy.local.servers.rabbitmq_config import advanced_settings, configuration_text
from schemas.automation.builds import BUILD_POOL
from schemas.broker import topology

# Long enough to read back many queues.
_START_TIMEOUT_S = 180.0
_ALONE = BrokerNode()
_PLUGINS = ("rabbitmq_management", "rabbitmq_auth_backend_oauth2")


@dataclass(frozen=True, slots=True)
class BrokerPlan:
    """The settings of a broker."""

    #: The schedds whose TMS gets a user.
    schedds: tuple[str, ...]
    #: The key pair of the tokens that it accepts; `None` makes a new pair.
    key_files: MadeKeyFiles | None = None
    #: How many channels one connection may open: few, because any holder of a token can open them.
    channels: int = 16
    #: The pools of step workers: users' steps, ours, and builders. Each pool gets a broker user.
    pools: tuple[str, ...] = ("default", "ewms", BUILD_POOL)


class RabbitMQ(BrokerAccess):
    """A node of RabbitMQ, usually the only one. `start` and `restart` return when users can log in."""

    def __init__(
        self,
        children: LaunchedProcesses,
        tree: Path,
        home: Path,
        log: Path,
        plan: BrokerPlan,
        *,
        ports: Mapping[str, int],
        data: Path,
        secrets: Path,
        node: BrokerNode = _ALONE,
        others: Sequence[Mapping[str, int]] = (),
        cookie: str = "",
    ) -> None:
        """`home` holds this launch's settings, `data` the queues and events, `secrets` the users and keys.

        `ports` are those of this `node`, `others` those of the broker's other nodes, which have the same `cookie`.
        """
        super().__init__(
            ports=ports,
            users=kept_users(secrets / "broker-users.json", plan.schedds, plan.pools),
            key_files=plan.key_files or load_key_pair(secrets, "broker-token-key"),
            others=others,
        )
        self.name = f"RabbitMQ{node.suffix}"
        self._node = node
        #: The broker's other nodes; only its first node has them.
        self.peers: Sequence[RabbitMQ] = ()
        # Without a cookie Erlang makes one from the clock, which others can guess.
        self._cookie = cookie or new_cookie()
        self._children = children
        self._tree = tree
        self._home = home
        self._data = data
        self._log = log
        self._channels = plan.channels
        self._child: LaunchedProcess | None = None

    @property
    def child(self) -> LaunchedProcess:
        """The process of the broker, or of its last start.

        Raises:
            RuntimeError: the broker was never started, or was stopped.
        """
        if self._child is None:
            raise RuntimeError("RabbitMQ was not started")
        return self._child

    @property
    def node_name(self) -> str:
        """The node's name within the broker, as the management API shows it."""
        return self._node.name

    @property
    def own_ports(self) -> Mapping[str, int]:
        """The ports on which the broker listens, by name. `jwks` is not among them, because MQS listens there."""
        return {name: port for name, port in self.ports.items() if name != "jwks"}

    def start(self) -> "RabbitMQ":
        """Start the broker with its other nodes, and wait until users can log in at each.

        Raises:
            LaunchError: a node did not start; the error names the log. Then no node runs.
        """
        nodes = [self, *self.peers]
        try:
            # A node that is alone waits for the others, so start all of them first.
            for node in nodes:
                node.write_configuration()
                node.relaunch()
            for node in nodes:
                await_ready(node.child, node.is_ready, timeout_s=_START_TIMEOUT_S)
        except BaseException:
            for node in nodes:
                node.kill()
            raise
        return self

    def restart(self) -> None:
        """Start the broker on the same ports and data, and wait until users can log in. If the broker runs, stop it
        first.

        Raises:
            LaunchError: the broker did not start; the error names the log.
        """
        self.stop()
        await_ready(self.relaunch(), self.is_ready, timeout_s=_START_TIMEOUT_S)

    def relaunch(self) -> LaunchedProcess:
        """Start the broker, on its ports and data, and return its process. Return before it is ready."""
        self._child = self.launch_server()
        return self._child

    def stop(self) -> None:
        """Ask the broker to shut down, and wait for its end."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        """End the broker as a crash would."""
        if self._child is not None:
            self._child.kill()

    def launch_server(self) -> LaunchedProcess:
        """Start the broker's process with the settings that `write_configuration` wrote, and return it."""
        return self._children.launch(
            self.name,
            [self._server / "sbin/rabbitmq-server"],
            log=self._log,
            environment=self._build_environment(),
            cwd=self._home,
        )

    def is_ready(self) -> bool:
        """Return whether users can log in."""
        try:
            # The port opens last. Trying it costs less than a login, which fails only after 4 s.
            socket.create_connection(("127.0.0.1", self.ports["amqp"]), timeout=1).close()
            socket.create_connection(("127.0.0.1", self.ports["management"]), timeout=1).close()
        except OSError:
            return False
        return asyncio.run(_logs_in(self.node_url(ADMIN, topology.CONTROL_VHOST)))

    def write_configuration(self) -> None:
        """Write the server's settings and cookie."""
        self.write_settings(self._home, public_key=self.key_files.public)
        self._write_erl()
        link_plugins(self._server / "plugins", _PLUGINS, into=self._home / "plugins")
        write_secret(self._home / ".erlang.cookie", self._cookie.encode())
        (self._home / ".erlang.cookie").chmod(0o400)

    def write_settings(self, seen_at: Path, *, public_key: Path) -> None:
        """Write the settings into the home directory. The broker finds them below `seen_at`, and the tokens' key at
        `public_key`.
        """
        home, tick_s = self._home, read_tick_s(os.environ)
        settings = configuration_text(
            self.ports,
            kid=self.key_files.kid,
            public_key=public_key,
            definitions_file=seen_at / "definitions.json",
            channels=self._channels,
            tick_s=tick_s,
        )
        (home / "rabbitmq.conf").write_text(settings + self._node.settings)
        (home / "advanced.config").write_text(advanced_settings(self.jwks_url, tick_s=tick_s))
        (home / "enabled_plugins").write_text(f"[{','.join(_PLUGINS)}].\n")
        whole = broker_definitions(
            list(self.users.values()), control_vhost=topology.CONTROL_VHOST, data_vhost=topology.DATA_VHOST
        )
        replace_secret(home / "definitions.json", json.dumps(whole).encode())

    def setting_variables(self, seen_at: Path) -> dict[str, str]:
        """Return the environment variables, by name, with which the broker finds its settings below `seen_at`.

        One of the variables keeps foreign Erlang nodes from connecting.
        """
        return {
            "RABBITMQ_NODENAME": self._node.name,
            "RABBITMQ_USE_LONGNAME": "false" if self._node.is_alone else "true",
            "RABBITMQ_CONFIG_FILE": str(seen_at / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(seen_at / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(seen_at / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(seen_at / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": self._node.erlang_arguments,
        }

    @property
    def _server(self) -> Path:
        return next((self._tree / "usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))

    def _write_erl(self) -> None:
        home, erlang = self._home, self._tree / "usr/lib/erlang"
        # Debian's `erl` has a fixed path in it, so write one with our path.
        erts = next(erlang.glob("erts-*")) / "bin"
        (home / "bin").mkdir()
        erl = home / "bin/erl"
        erl.write_text(
            f"#!/bin/sh\nexport ROOTDIR={quote(str(erlang))} BINDIR={quote(str(erts))} EMU=beam "
            # A node that joins others starts a helper by this name. For `erl` it would find Debian's.
            f"PROGNAME={quote(str(erl))}\n"
            f'case " $* " in *" -hidden "*) set -- {self._node.helper_arguments} "$@" ;; esac\n'
            'exec "$BINDIR/erlexec" "$@"\n'
        )
        erl.chmod(0o755)

    def _build_environment(self) -> dict[str, str]:
        home = self._home
        return {
            "PATH": f"{home}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            # With this the start script replaces itself with erl, so that our SIGTERM reaches erl.
            "RUNNING_UNDER_SYSTEMD": "true",
            **self.setting_variables(home),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_PLUGINS_DIR": str(home / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self._data),
            "RABBITMQ_MNESIA_DIR": str(self._data / "ewms"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(self._data / "feature_flags"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "generated"),
            "RABBITMQ_LOG_BASE": str(home / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(home / "pid"),
            # Without these options idle schedulers spin, and take cores from all other processes.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"{self._node.erlang_arguments} +sbwt none +sbwtdcpu none +sbwtdio none {_scheduler_arguments()}"
            ),
        }


def new_cookie() -> str:
    """Return a new secret with which the nodes of a broker know each other."""
    return secrets.token_hex(32)


def _scheduler_arguments() -> str:
    """Return Erlang's option for its number of schedulers, from `EWMS_BROKER_SCHEDULERS`. If unset, Erlang uses one a
    core.

    Two schedulers that meet at a lock call `sched_yield` some hundred times (`children.time_slices` says what a call
    costs). With two schedulers on two busy cores, the creation of two vhosts took 0.15 to 15 s, nearly all of it
    waiting for a core; with one it takes 0.1 to 0.5 s. So the tests set 1. On idle cores two are faster: twenty
    workflows posted together had their jobs after 0.7 to 0.8 s, and after 1.0 to 1.3 s with one. Short time slices do
    not help here: a start, which computes, takes 3 s of a core with them and 2 s without.
    """
    number = os.environ.get("EWMS_BROKER_SCHEDULERS", "")
    return f"+S {number}:{number}" if number.isdecimal() and int(number) > 0 else ""


def read_tick_s(environment: Mapping[str, str]) -> int:
    """Return every how many seconds queues report, from `EWMS_BROKER_TICK_S`, which tells MQS the same; 1 if unset.

    The default is fast because one person looks at a few queues. With hundreds of workflows, set 5.
    """
    number = environment.get("EWMS_BROKER_TICK_S", "")
    return int(number) if number.isdecimal() and int(number) > 0 else 1


async def _logs_in(url: str) -> bool:
    try:
        connection = await aio_pika.connect(url, timeout=5)
    except (TimeoutError, AMQPError, OSError):
        return False
    await connection.close()
    return True
