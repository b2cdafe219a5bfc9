"""Images at a real registry: pushed, verified there by their digest, and used as base images."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from rich.console import Console

from deploy.local.fetch import packages
from deploy.local.fetch.cache import cache_directory, prepare_cache
from processes.builds.build_errors import LocationsLackImage
from processes.builds.workshop import Workshop
from schemas.automation.builds import SyncedImage
from tests.integration.processes.builds.conftest import TaskFiles

_CONFIGURATION = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry without a password; its host and port."""
    found = prepare_cache(
        cache_directory(os.environ),
        Console(stderr=True),
        (packages.IMAGE_REGISTRY,),
        mirror=os.environ.get("EWMS_DEBIAN_MIRROR"),
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "registry.yml").write_text(_CONFIGURATION.format(root=tmp_path / "registry", port=port))
    program = found.trees[packages.IMAGE_REGISTRY.name] / "usr/bin/docker-registry"
    server = subprocess.Popen(
        [program, "serve", str(tmp_path / "registry.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        ends_at = time.monotonic() + 60
        while True:
            try:
                httpx2.get(f"http://127.0.0.1:{port}/v2/").raise_for_status()
                break
            except httpx2.HTTPError:
                assert time.monotonic() < ends_at
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def test_c15_an_image_is_pushed_to_a_registry_and_is_a_base_image_there(
    make_workshop: Callable[..., Workshop], task: TaskFiles, registry: str, tmp_path: Path
) -> None:
    workshop = make_workshop(
        build_locations={
            "north": {"registry": f"{registry}/tasks"},
            "away": {"registry": "127.0.0.1:1/tasks"},
            "here": {"directory": str(tmp_path / "north")},
        },
        build_plain_registries=(registry, "127.0.0.1:1"),
        build_registries=(f"{registry}/tasks",),
    )
    task.write("FROM scratch\nCOPY . /craton\n")
    order = task.order(workshop)
    image = workshop.build_image(order, "")
    with pytest.raises(LocationsLackImage, match=r"^location 'away': the registry 127.0.0.1:1/tasks does not take"):
        workshop.sync_image(order.model_copy(update={"locations": ("away", "north")}), "", image)
    for _ in range(2):
        assert workshop.sync_image(order, "", image) == {
            "north": SyncedImage(digest=image.digest, image=f"docker://{registry}/tasks@{image.digest}")
        }
    workshop.remove_build(order)

    task.write(f"FROM {registry}/tasks@{image.digest}\nCOPY more /more\n", more="x")
    order = task.order(workshop, build="b2").model_copy(update={"locations": ("here",)})
    built = workshop.build_image(order, "")
    placed = Path(workshop.sync_image(order, "", built)["here"].image)
    assert (placed / "craton/Dockerfile").is_file()
    assert (placed / "more").read_text() == "x"
    workshop.remove_build(order)
