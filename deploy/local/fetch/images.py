"""Make task images on the spot: folders that apptainer runs as they are, and ones that it builds."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.local.errors import LaunchError

# Apptainer mounts over these; a folder without them is refused.
_MOUNT_POINTS = ("dev", "proc", "sys", "tmp", "var/tmp", "etc", "root", "home", "run")
_APPLETS = ("sh", "cat", "cp", "mv", "ls", "echo", "env", "false", "head", "mkdir", "rm", "sleep", "tail", "true", "wc")


def finish_image_root(root: Path) -> None:
    """Give an unpacked `root` what a container expects: mount points, users, a shell and `python3`."""
    for name in _MOUNT_POINTS:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n"
    )
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    for name in ("etc/resolv.conf", "etc/hosts"):
        (root / name).touch()
    busybox = root / "usr/bin/busybox"
    for applet in _APPLETS:
        link = busybox.with_name(applet)
        if not link.exists():
            link.symlink_to("busybox")


def make_busybox_image(python_image: Path, destination: Path) -> Path:
    """Make `destination` the root of a 2 MB image with a shell and `cp`, for tests; return it."""
    (destination / "usr/bin").mkdir(parents=True)
    (destination / "bin").symlink_to("usr/bin")
    shutil.copy2(python_image / "usr/bin/busybox", destination / "usr/bin/busybox")
    finish_image_root(destination)
    return destination


class UnpackedApptainer:
    """The unpacked apptainer of a tree."""

    def __init__(self, tree: Path) -> None:
        self.program = tree / "usr/bin/apptainer"
        # mksquashfs and unsquashfs, which SIF images need, lie beside it.
        self._path = f"{tree / 'usr/bin'}:{tree / 'usr/sbin'}:/usr/bin:/bin"

    def build_with_files(self, base: Path, destination: Path, *, files: Mapping[Path, str] | None = None) -> Path:
        """Build image `destination` from the folder or image `base` with `files` (here: there) copied in.

        A destination that ends in `.sif` becomes one file, any other a sandbox folder. Returns it.

        Raises:
            LaunchError: apptainer could not; its words are in the message.
        """
        as_file = destination.suffix == ".sif"
        sandbox = destination.with_suffix(".sandbox") if as_file else destination
        self._run_build(base, sandbox, "--sandbox")
        # A definition file with `%files` would need `newuidmap` installed; a sandbox is a folder like any other.
        for here, there in (files or {}).items():
            target = sandbox / there.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here, target)
        if as_file:
            self._run_build(sandbox, destination)
            shutil.rmtree(sandbox)
        return destination

    def _run_build(self, source: Path, destination: Path, *options: str) -> None:
        destination.parent.mkdir(parents=True, exist_ok=True)
        outcome = subprocess.run(
            [self.program, "--silent", "build", "--force", *options, destination, source],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(),
        )
        if outcome.returncode:
            raise LaunchError(
                f"apptainer could not build {destination.name}: {outcome.stderr.strip()[-500:]}",
                f"check the free space below {destination.parent} and that {source} can be read",
            )

    def environment(self) -> dict[str, str]:
        """Return the environment in which this apptainer runs."""
        return {**os.environ, "PATH": self._path}
