"""(core) What a data directory says about itself, and whether the servers of today can read what lies in it.

{"format": 1, "folder": "/home/ada/ewms", "pool": "condor", "is_in_use": true,
 "versions": {"rabbitmq": "4.3.6", …}, "ports": {"gateway": 20417, …}}
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from deploy.local.errors import LaunchError

if TYPE_CHECKING:
    from deploy.local.wiring import PoolName

#: Raise it when a directory of today means something else to the code of tomorrow.
FORMAT = 1

#: The servers whose data lie in the directory, and how to call them.
_SERVERS = {"mongod": "MongoDB", "rabbitmq": "RabbitMQ", "htcondor": "HTCondor"}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptFacts:
    """The facts of a data directory."""

    #: Where the launch was started that made it.
    folder: str = ""
    #: Where pilots ran last.
    pool: "PoolName | None" = None
    #: Whether a system came up on it, whose addresses and tokens people may have since.
    is_in_use: bool = False
    #: Versions of the servers that wrote into it last.
    versions: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the facts as `from_bytes` reads them."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> "KeptFacts":
        """Return the facts that `to_bytes` wrote.

        Raises:
            ValueError: they are not whole, or of a format that this code does not know; says which.
        """
        kept: Any = json.loads(data)
        if not isinstance(kept, dict) or not isinstance(kept.get("format"), int):
            raise ValueError("it is not EWMS's")
        if kept["format"] > FORMAT:
            raise ValueError(f"a newer EWMS wrote it (format {kept['format']}; this one knows {FORMAT})")
        ports, versions = kept.get("ports", {}), kept.get("versions", {})
        if not isinstance(versions, dict) or not isinstance(ports, dict) or not all(map(_is_port, ports.values())):
            raise ValueError("its ports or versions are broken")
        pool = kept.get("pool")
        return cls(
            folder=str(kept.get("folder", "")),
            pool=pool if pool in ("condor", "local") else None,
            is_in_use=bool(kept.get("is_in_use")),
            versions={str(name): str(version) for name, version in versions.items()},
            ports={str(name): port for name, port in ports.items()},
        )


def check_versions(kept: Mapping[str, str], installed: Mapping[str, str], *, where: str) -> list[str]:
    """Return a sentence for each server that is to take over the data of an older one in the directory `where`.

    Versions that differ only behind the second number read each other's data.

    Raises:
        LaunchError: the data are of a newer server than the installed one.
    """
    sentences = []
    for key, name in _SERVERS.items():
        if key not in kept or key not in installed:
            continue
        before, now = _version_parts(kept[key]), _version_parts(installed[key])
        if before > now:
            raise LaunchError(
                f"{name} {kept[key]} wrote the data in {where}, and the {installed[key]} here cannot read them",
                "use the EWMS that wrote them, or other data with DATA=<directory>; nothing in it was changed",
            )
        if before < now:
            sentences.append(f"{name} {installed[key]} takes over the data of {kept[key]}; there is no way back")
    return sentences


def _version_parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _is_port(value: object) -> bool:
    return isinstance(value, int) and 0 < value < 65536
