"""RabbitMQ and MongoDB in containers, told the same as the local ones: `--services=containers`.

The containers use the machine's own network, as the broker must reach the keys that MQS serves on loopback and its
ports must be the ones that everybody was told. HTCondor and apptainer stay local: the pool's jobs are this machine's.
"""

import signal
import time
from pathlib import Path

import docker.errors  # type: ignore[import-untyped] # the engine's client brings no types
import pytest
from docker.models.containers import Container  # type: ignore[import-untyped] # as above
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient

from deploy.local.children.processes import LaunchedProcess, LaunchedProcesses
from deploy.local.errors import LaunchError
from deploy.local.files.run_directory import make_empty
from deploy.local.servers.broker import PORTS
from deploy.local.servers.mongodb import KEY, MongoDB
from deploy.local.servers.rabbitmq import BrokerPlan, RabbitMQ
from deploy.local.system.services import ServerPlaces

RABBITMQ_IMAGE = "rabbitmq:4.3-management"
MONGODB_IMAGE = "mongo:6.0"

# Where the broker's settings are mounted.
_SETTINGS = Path("/ewms")


def check_engine() -> None:
    """Raise pytest's usage error unless a container engine answers: asked for and not there is no reason to skip."""
    try:
        DockerClient().client.ping()
    except (docker.errors.DockerException, OSError) as error:
        raise pytest.UsageError(
            f"--services=containers needs a container engine, and none answers ({error}); start Docker, or let "
            "DOCKER_HOST name the socket of one (Podman: `podman system service --time=0 unix:///PATH`, with "
            "TESTCONTAINERS_RYUK_DISABLED=true), or leave the option away: the local servers need none"
        ) from error


class ContainerChild(LaunchedProcess):
    """A container seen as a child: signals reach its first process, and it can be started again on its data."""

    def __init__(self, name: str, container: DockerContainer, log: Path) -> None:
        self.name = name
        self.log = log
        self._container = container

    @property
    def is_running(self) -> bool:
        """Say whether the container runs."""
        return self._state()["Status"] in {"created", "running", "paused"}

    @property
    def exit_status(self) -> int | None:
        """The exit status of a container that has ended."""
        return None if self.is_running else int(self._state()["ExitCode"])

    @property
    def pid(self) -> int | None:
        """The first process as the engine's machine counts."""
        return int(self._state()["Pid"]) or None

    def start(self) -> None:
        """Start the container, again if it has ended."""
        try:
            if self._container._container is None:
                self._container.start()
            else:
                self._wrapped().start()
        except docker.errors.DockerException as error:
            raise LaunchError(
                f"the container of {self.name} does not start: {error}",
                f"see whether `docker run {self._container.image}` works here",
            ) from error

    def send_signal(self, number: signal.Signals) -> None:
        """Send `number` to the first process; nothing happens if it is gone."""
        if self.is_running:
            self._wrapped().kill(signal=number.name)

    def open_pidfd(self) -> int | None:
        """Nobody watches a container: the launcher of `make up` has none."""
        raise NotImplementedError

    def wait(self, timeout_s: float) -> bool:
        """Wait until the container has ended; `False` if it has not within `timeout_s`."""
        # The engine's own wait has no way of being given up without dropping the connection.
        deadline = time.monotonic() + timeout_s
        while self.is_running:
            if time.monotonic() >= deadline:
                return False
            time.sleep(min(0.05, timeout_s))
        return True

    def kill(self) -> None:
        """End the container at once; its data stays for another start."""
        self.send_signal(signal.SIGKILL)
        self.wait(10)

    def remove(self) -> None:
        """Remove the container with its data, and keep its log."""
        if self._container._container is not None:
            self._keep_log()
            self._container.stop()

    def describe_failure(self, what: str) -> LaunchError:
        """Return an error that says `what` went wrong, with the container's last words."""
        self._keep_log()
        return super().describe_failure(what)

    def _keep_log(self) -> None:
        self.log.write_bytes(b"".join(self._container.get_logs()))

    def _wrapped(self) -> Container:
        return self._container.get_wrapped_container()

    def _state(self) -> dict[str, str]:
        if self._container._container is None:
            return {"Status": "created", "ExitCode": "0", "Pid": "0"}
        wrapped = self._wrapped()
        wrapped.reload()
        state: dict[str, str] = wrapped.attrs["State"]
        return state


class RabbitMQInContainer(RabbitMQ):
    """The broker's official image, with our settings mounted."""

    def __init__(self, children: LaunchedProcesses, home: Path, places: ServerPlaces, plan: BrokerPlan) -> None:
        log = places.log_path("rabbitmq")
        super().__init__(
            children,
            Path(),
            home,
            log,
            plan,
            ports=places.ports.take_ports(PORTS),
            data=places.data.make_place("rabbitmq"),
            secrets=places.data.secrets,
        )
        self.container = ContainerChild(
            "RabbitMQ",
            DockerContainer(
                RABBITMQ_IMAGE,
                env=self.setting_variables(_SETTINGS),
                volumes=[(str(home), str(_SETTINGS), "ro")],
                network_mode="host",
            ),
            log,
        )

    def write_configuration(self) -> None:
        """Write the settings so that the image's own user can read them; what is above them stays private."""
        (self._home / "key.pub.pem").write_bytes(self.key_files.public.read_bytes())
        self.write_settings(_SETTINGS, public_key=_SETTINGS / "key.pub.pem")
        (self._home / "conf.d").mkdir()
        self._home.chmod(0o755)
        for name in ("key.pub.pem", "definitions.json", "rabbitmq.conf", "advanced.config", "enabled_plugins"):
            (self._home / name).chmod(0o644)

    def launch_server(self) -> LaunchedProcess:
        """Start the container."""
        self.container.start()
        return self.container


class MongoDBInContainer(MongoDB):
    """The server's official image; it keeps its data itself, and gets our key."""

    def __init__(self, children: LaunchedProcesses, home: Path, places: ServerPlaces, *, auth: bool) -> None:
        log, port = places.log_path("mongod"), places.ports.take_one("mongodb")
        super().__init__(children, Path(), home=home, data=home, log=log, port=port, auth=auth)
        # mongod takes only a key that is its own, and runs as the image's user. The image begins as root.
        key, own_key = _SETTINGS / KEY, Path("/tmp/key")
        script = 'if [ -e "$0" ]; then install -m 0400 -o mongodb "$0" "$1"; fi; shift; exec docker-entrypoint.sh "$@"'
        command = ["bash", "-ec", script, str(key), str(own_key), "mongod", *self.build_arguments(own_key)]
        self.container = ContainerChild(
            "mongod",
            DockerContainer(
                MONGODB_IMAGE,
                command=command,  # type: ignore[arg-type] # the engine takes a list too, and needs no quoting then
                volumes=[(str(home), str(_SETTINGS), "ro")],
                network_mode="host",
            ),
            log,
        )

    def launch_server(self) -> LaunchedProcess:
        """Start the container."""
        self.container.start()
        return self.container


class Containers:
    """RabbitMQ and MongoDB in containers; `remove` ends what was started, whichever way the tests end."""

    def __init__(self) -> None:
        self._started: list[ContainerChild] = []

    def start_mongodb(self, children: LaunchedProcesses, places: ServerPlaces, *, auth: bool) -> MongoDB:
        """Start MongoDB; without `auth` everybody may do everything."""
        server = MongoDBInContainer(children, make_empty(places.run / "mongodb"), places, auth=auth)
        self._started.append(server.container)
        return server.start()

    def start_rabbitmq(self, children: LaunchedProcesses, places: ServerPlaces, plan: BrokerPlan) -> RabbitMQ:
        """Start RabbitMQ."""
        broker = RabbitMQInContainer(children, make_empty(places.run / "rabbitmq"), places, plan)
        self._started.append(broker.container)
        broker.start()
        return broker

    def remove(self) -> None:
        """Remove all containers."""
        for child in reversed(self._started):
            child.remove()
