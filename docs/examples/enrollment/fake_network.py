"""The systems outside, as a directory: an inventory of nodes, and a network controller. They outlive their users.

    inventory/<node>.json     what the inventory knows of a node
    devices/<node>.json       a device that the controller has
    services/<id>.json        a service that the controller runs for a node
    broken                    as long as this file exists, the controller refuses every call
    slow                      as long as this file exists, the controller takes 30 s for each service

`FAKE_NETWORK` names the directory.
"""

import json
import os
import time
from pathlib import Path
from typing import Any


class ControllerDown(ConnectionError):
    """The network controller does not answer."""


def _directory(name: str = "") -> Path:
    path = Path(os.environ.get("FAKE_NETWORK", "network")) / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def _check_controller() -> None:
    if (_directory() / "broken").exists():
        raise ControllerDown("the network controller does not answer")


def list_nodes() -> list[str]:
    """Return the names of the nodes that the inventory knows. An empty inventory gets three."""
    directory = _directory("inventory")
    if not any(directory.iterdir()):
        for number, name in enumerate(("ams-1", "ams-2", "chi-1"), start=1):
            (directory / f"{name}.json").write_text(json.dumps({"id": number, "name": name, "uuid": f"node-{number}"}))
    return sorted(path.stem for path in directory.glob("*.json"))


def find_node(name: str) -> dict[str, Any]:
    """Return what the inventory knows of a node.

    Raises:
        LookupError: it knows none of this name.
    """
    if name not in list_nodes():
        raise LookupError(f"the inventory has no node {name!r}; it has {', '.join(list_nodes())}")
    found: dict[str, Any] = json.loads((_directory("inventory") / f"{name}.json").read_text())
    return found


def name_node(node_id: int) -> str:
    """Return the name of the node with this number."""
    return next(name for name in list_nodes() if find_node(name)["id"] == node_id)


def add_device(name: str, role: str) -> None:
    """Make a device known to the controller. A second call changes nothing."""
    _check_controller()
    (_directory("devices") / f"{name}.json").write_text(json.dumps({"name": name, "role": role}))


def find_device(name: str) -> dict[str, Any] | None:
    """Return the controller's device of this name; None: it has none."""
    _check_controller()
    path = _directory("devices") / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def create_service(service_id: str, device: str) -> None:
    """Run a service on a device. A second call with the same id changes nothing."""
    _check_controller()
    if (_directory() / "slow").exists():
        time.sleep(30)
    path = _directory("services") / f"{service_id}.json"
    n_calls = json.loads(path.read_text())["n_calls"] if path.exists() else 0
    path.write_text(json.dumps({"id": service_id, "device": device, "n_calls": n_calls + 1}))


def remove_node(name: str, service_id: str) -> None:
    """Remove a device and its service. What is gone already stays gone."""
    _check_controller()
    (_directory("services") / f"{service_id}.json").unlink(missing_ok=True)
    (_directory("devices") / f"{name}.json").unlink(missing_ok=True)
