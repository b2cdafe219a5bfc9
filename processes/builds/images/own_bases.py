"""Make the builder's own base images: an OCI directory of a root file system, once for each builder.

<builder>/bases/<name>-<digest of the root's path>/image      an OCI directory
"""

import fcntl
import hashlib
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.build_place import BuildPlace
from processes.builds.images.buildah_commands import BASE_TAG, Buildah
from processes.builds.sandbox.runner import SandboxRunner

_SOURCE = "/base"
_DONE = "done"


def prepare_base(builder: Path, name: str, root: Path, runner: SandboxRunner, *, account: int | None) -> Path:
    """Return the OCI directory of the base image `name`, which has the files of `root`. Make it if it is missing.

    Raises:
        BuildFailed: buildah could not make it.
    """
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    directory = builder / "bases" / f"{name.replace('/', '-')}-{digest}"
    directory.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = BuildPlace(directory, runner, account)
        if not (directory / _DONE).exists():
            _make_image(place, root, name)
            (directory / _DONE).touch()
    return place.oci_image


def _make_image(place: BuildPlace, root: Path, name: str) -> None:
    place.prepare(without=["image", "store", "run"])
    messages = bytearray()
    buildah = Buildah(place, take_output=messages.extend)
    for words, readable in (
        (["from", "--quiet", "--name", "base", "scratch"], {}),
        (["add", "--quiet", "base", _SOURCE, "/"], {str(root): _SOURCE}),
        (["config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", "--cmd", "/bin/sh", "base"], {}),
        (["commit", "--quiet", "base", f"oci:/work/image:{BASE_TAG}"], {}),
    ):
        end = buildah.run(words, readable=readable)
        if not end.is_success:
            reason = end.excess or messages.decode(errors="replace").strip()[-300:]
            raise BuildFailed(f"the builder cannot make its base image {name}: {reason}; ask the operator")
    place.runner.remove_contents(place.directory, ["store", "run"])
