"""(core) The facts that a data directory stores about itself, and whether the installed servers can read its data.

{"format": 1, "folder": "/home/ada/ewms", "pool": "condor", "n_nodes": 1, "is_in_use": true,
 "versions": {"rabbitmq": "4.3.6", …}, "ports": {"gateway": 20417, …}}
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from deploy.local.choices.numbering import NODE_COUNTS
from deploy.local.errors import LaunchError

if TYPE_CHECKING:
    from deploy.local.system.wiring import PoolName

#: Raise this number when newer code would misread a directory of today.
FORMAT = 1

#: The servers whose data lie in the directory: name in `versions` -> name for people.
_SERVERS = {"mongod": "MongoDB", "rabbitmq": "RabbitMQ", "htcondor": "HTCondor"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFacts:
    """The facts of a data directory."""

    #: The folder of the launch that made the directory.
    folder: str = ""
    #: The kind of pool of the last launch.
    pool: "PoolName | None" = None
    #: How many nodes the broker and the database have; None: there are no data yet.
    n_nodes: int | None = None
    #: Whether a system has come up with these data, so that users may hold its addresses and tokens.
    is_in_use: bool = False
    #: The versions of the servers of the last launch.
    versions: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the facts as bytes that `from_bytes` reads."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> "KeptFacts":
        """Return the facts that `to_bytes` wrote.

        Raises:
            ValueError: the facts are incomplete, or in a format that this code does not know. The message says which.
        """
        kept: Any = json.loads(data)
        if not isinstance(kept, dict) or not isinstance(kept.get("format"), int):
            raise ValueError("the file is not EWMS's")
        if kept["format"] > FORMAT:
            raise ValueError(f"a newer EWMS wrote it (format {kept['format']}; this one knows {FORMAT})")
        ports, versions = kept.get("ports", {}), kept.get("versions", {})
        if not isinstance(versions, dict) or not isinstance(ports, dict) or not all(map(_is_port, ports.values())):
            raise ValueError("its ports or versions are invalid")
        pool, is_in_use = kept.get("pool"), bool(kept.get("is_in_use"))
        # Earlier launchers had one node, and did not write that down.
        n_nodes = kept.get("n_nodes", 1 if is_in_use else None)
        return cls(
            folder=str(kept.get("folder", "")),
            pool=pool if pool in ("condor", "local") else None,
            n_nodes=n_nodes if n_nodes in NODE_COUNTS else None,
            is_in_use=is_in_use,
            versions={str(name): str(version) for name, version in versions.items()},
            ports={str(name): port for name, port in ports.items()},
        )


def choose_node_count(asked: int | None, kept: int | None, *, where: str) -> int:
    """Return how many nodes the broker and the database have: `asked`, or as many as the data in `where` have (`kept`).

    Raises:
        LaunchError: the data belong to another number of nodes.
    """
    if asked is not None and kept is not None and asked != kept:
        raise LaunchError(
            f"the data in {where} belong to a system with NODES={kept}, and NODES={asked} cannot read them",
            "leave NODES out, or take other data with DATA=<directory>, or delete these with FRESH=1",
        )
    return asked or kept or 1


def check_versions(kept: Mapping[str, str], installed: Mapping[str, str], *, where: str) -> list[str]:
    """Compare the servers that wrote the data in `where` with the installed ones. Return a sentence for each upgrade.

    `kept` and `installed` are versions by server. Versions with the same first two numbers can read each other's data.

    Raises:
        LaunchError: a newer server than the installed one wrote the data.
    """
    sentences = []
    for key, name in _SERVERS.items():
        if key not in kept or key not in installed:
            continue
        before, now = _version_parts(kept[key]), _version_parts(installed[key])
        if before > now:
            raise LaunchError(
                f"{name} {kept[key]} wrote the data in {where}, and the installed {installed[key]} cannot read them",
                "use the EWMS that wrote them, or other data with DATA=<directory>; the data are unchanged",
            )
        if before < now:
            sentences.append(
                f"{name} {installed[key]} takes over the data of {kept[key]}; {kept[key]} cannot read them afterwards"
            )
    return sentences


def _version_parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _is_port(value: object) -> bool:
    return isinstance(value, int) and 0 < value < 65536
