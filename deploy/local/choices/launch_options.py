"""The options of a launch that the caller's environment sets. The launcher chooses everything else.

EWMS_GATEWAY_PORT, EWMS_AMQP_PORT                     where the gateway and the broker listen (default: free ports)
EWMS_BROKER_KEY_FILE, EWMS_BROKER_PUBLIC_KEY_FILE     the key that signs queue tokens (default: a new one)
EWMS_TASKS_AS_ROOT                                    on: if root launches, tasks are root (default: own accounts)
EWMS_CLUSTERS_FILE, EWMS_CLUSTERS                     JSON, location -> {"schedd": …, "served_by": …} or alias
EWMS_MONGO_AUTH                                       off: MongoDB asks for no password (default: on)
any other EWMS_ variable                              goes to every process of EWMS, over the launcher's value
"""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.choices.numbering import count_instances
from deploy.local.errors import LaunchError
from deploy.local.files.secret_files import MadeKeyFiles

#: The schedd of the pool on this machine; also the name of the local pool's TMS on the bus.
SCHEDD = "ewms@localhost"
#: The second access point, and its location, if there are two.
SECOND_SCHEDD, SECOND_LOCATION = "ewms-2@localhost", "local-2"
#: The name of this machine's cluster location, and the names that published examples use for one.
LOCATION = "local"
_ALIASES = ("sub-2", "osg", "OSG")

#: The values that pydantic takes for true: the services read the same variables with pydantic.
_YES = ("1", "on", "t", "true", "y", "yes")

#: Variables that hold a JSON list of directories.
_ROOTS = ("EWMS_INPUT_ROOTS", "EWMS_EXTERNAL_ROOTS", "EWMS_IMAGE_ROOTS")

# The launcher sets these itself. A shell with the variables of another system must not override them.
_OURS = frozenset(
    "EWMS_" + name
    for name in (
        *("MONGO_URL", "MONGO_DATABASE", "MONGO_AUTH", "CONTROL_AMQP_URL", "DATA_AMQP_URL"),
        *("RABBITMQ_API_URL", "MQS_URL", "HTTP_PORT"),
        *("SCHEDD", "POOL", "TMS_DIR", "GATEWAY_PORT", "AMQP_PORT", "CLUSTERS", "CLUSTERS_FILE"),
        *("BROKER_KEY_FILE", "BROKER_PUBLIC_KEY_FILE", "TASKS_AS_ROOT"),
        # The client reads these. No service needs the user's token.
        *("GATEWAY", "TOKEN"),
    )
)


@dataclass(frozen=True, slots=True)
class LaunchOptions:
    """The options of one launch. `read_launch_options` reads them from the environment."""

    gateway_port: int | None
    amqp_port: int | None
    key_files: MadeKeyFiles | None
    #: Whether MongoDB requires a password.
    mongo_auth: bool
    #: Location -> cluster or alias, in the form that WMS reads.
    clusters: Mapping[str, Any]
    #: Variables for every process of EWMS.
    passed_on: Mapping[str, str]
    #: How many nodes the broker and the database have.
    n_nodes: int = 1

    @property
    def own_schedds(self) -> list[str]:
        """The access points that this launch starts."""
        return [SCHEDD, SECOND_SCHEDD][: count_instances(self.n_nodes)]

    @property
    def channels(self) -> int:
        """How many channels a connection to the broker may open. Old message clients open a channel for each use."""
        return 256 if is_switched_on(self.passed_on, "EWMS_LEGACY_CLIENTS") else 16

    @property
    def roots(self) -> list[Path]:
        """The directories that tasks may see or get files from. TMS checks them again."""
        named: list[Path] = []
        for name in _ROOTS:
            with contextlib.suppress(ValueError, TypeError):
                named += [path for path in map(Path, json.loads(self.passed_on.get(name, "[]"))) if path.exists()]
        return named

    @property
    def schedds(self) -> list[str]:
        """The schedds whose TMS gets orders as events, those of this machine first. The TMS of each needs a user on
        the broker.
        """
        served = [one["schedd"] for one in self.clusters.values() if isinstance(one, Mapping) and _uses_events(one)]
        return list(dict.fromkeys((*self.own_schedds, *served)))

    @property
    def own_locations(self) -> list[str]:
        """The names of the locations that this machine's pools serve, aliases too."""
        own = self.own_schedds
        ours = [name for name, one in self.clusters.items() if isinstance(one, Mapping) and one["schedd"] in own]
        return [*ours, *(name for name, one in self.clusters.items() if isinstance(one, str) and one in ours)]

    @property
    def notices(self) -> list[str]:
        """A sentence for each option that gives rights to every account of this machine."""
        opened = []
        if self.passed_on.get("EWMS_AUTH") == "off":
            opened.append(
                "EWMS_AUTH=off: every account of this machine, and every task on it, can do what a user can do."
            )
        if not self.mongo_auth:
            opened.append(
                "EWMS_MONGO_AUTH=off: every account of this machine, and every task on it, can read and change all "
                "data in MongoDB. MongoDB listens on loopback only."
            )
        return opened


def read_launch_options(environment: Mapping[str, str], *, n_nodes: int = 1) -> LaunchOptions:
    """Return the options that `environment` sets. The broker and the database are to have `n_nodes`.

    Raises:
        LaunchError: a variable has an invalid value; the error names it.
    """
    return LaunchOptions(
        gateway_port=_read_port(environment, "EWMS_GATEWAY_PORT"),
        amqp_port=_read_port(environment, "EWMS_AMQP_PORT"),
        key_files=_read_key_files(environment),
        mongo_auth=_read_switch(environment, "EWMS_MONGO_AUTH"),
        clusters=_read_locations(environment, n_nodes),
        n_nodes=n_nodes,
        passed_on={
            name: value for name, value in environment.items() if name.startswith("EWMS_") and name not in _OURS
        },
    )


def is_switched_on(environment: Mapping[str, str], name: str) -> bool:
    """Return whether the variable `name` is switched on."""
    return environment.get(name, "").lower() in _YES


def _read_port(environment: Mapping[str, str], name: str) -> int | None:
    given = environment.get(name, "")
    if given and not (given.isascii() and given.isdecimal() and 0 < int(given) < 65536):
        raise LaunchError(f"{name} is {given!r}, which is not a port", f"set {name} to a number from 1024 to 65535")
    return int(given) if given else None


def _read_switch(environment: Mapping[str, str], name: str) -> bool:
    given = environment.get(name) or "on"
    if given not in ("on", "off"):
        raise LaunchError(f"{name} is {given!r}, and must be on or off", f"set {name} to on or off, or unset it")
    return given == "on"


def _read_key_files(environment: Mapping[str, str]) -> MadeKeyFiles | None:
    names = ("EWMS_BROKER_KEY_FILE", "EWMS_BROKER_PUBLIC_KEY_FILE")
    given = [environment.get(name, "") for name in names]
    if not any(given):
        return None
    for name, path in zip(names, given, strict=True):
        if not path:
            raise LaunchError(
                f"{name} is missing: the two halves of the key go together", f"set both {names[0]} and {names[1]}"
            )
        _read_file(name, path)
    private, public = (Path(path).absolute() for path in given)
    return MadeKeyFiles(private, public)


def _read_locations(environment: Mapping[str, str], n_nodes: int) -> Mapping[str, Any]:
    ours: dict[str, Any] = {LOCATION: {"schedd": SCHEDD}}
    if count_instances(n_nodes) > 1:
        ours[SECOND_LOCATION] = {"schedd": SECOND_SCHEDD}
    if path := environment.get("EWMS_CLUSTERS_FILE"):
        return ours | _parse_locations("EWMS_CLUSTERS_FILE", _read_file("EWMS_CLUSTERS_FILE", path))
    if text := environment.get("EWMS_CLUSTERS"):
        return ours | _parse_locations("EWMS_CLUSTERS", text)
    return ours | dict.fromkeys(_ALIASES, LOCATION)


def _parse_locations(name: str, text: str) -> dict[str, Any]:
    """Return the locations in `text`, which is the value of the variable `name`. Check only the schedds; WMS checks the
    rest.

    Raises:
        LaunchError: `text` is no JSON object, or a location names neither a schedd nor another location.
    """
    remedy = f'set {name} to JSON like {{"osg": {{"schedd": "a.example.org", "served_by": "events"}}, "OSG": "osg"}}'
    try:
        locations = json.loads(text)
    except ValueError as error:
        raise LaunchError(f"{name} is not JSON: {error}", remedy) from None
    if not isinstance(locations, dict):
        raise LaunchError(f"{name} is not a JSON object", remedy)
    for location, cluster in locations.items():
        is_cluster = isinstance(cluster, dict) and isinstance(cluster.get("schedd"), str) and cluster["schedd"]
        if not isinstance(cluster, str) and not is_cluster:
            raise LaunchError(f"{name}: location {location!r} names no schedd", remedy)
    return locations


def _uses_events(cluster: Mapping[str, Any]) -> bool:
    return bool(cluster.get("served_by", "events") == "events")


def _read_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise LaunchError(f"{name}: cannot read {path} ({reason})", f"set {name} to a file that you can read") from None
