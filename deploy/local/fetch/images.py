"""Make task images on this machine: folders that apptainer runs directly, and images that it builds."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.local.errors import LaunchError

# Apptainer mounts over these, and refuses a folder without them.
_MOUNT_POINTS = ("dev", "proc", "sys", "tmp", "var/tmp", "etc", "root", "home", "run")
_APPLETS = ("sh", "cat", "cp", "mv", "ls", "echo", "env", "false", "head", "mkdir", "rm", "sleep", "tail", "true", "wc")


def finish_image_root(root: Path) -> None:
    """Add to the unpacked image `root` what a container needs: mount points, users and a shell."""
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
    """Make at `destination` the root of a 2 MB image with a shell and `cp`, for tests. Return `destination`."""
    (destination / "usr/bin").mkdir(parents=True)
    (destination / "bin").symlink_to("usr/bin")
    shutil.copy2(python_image / "usr/bin/busybox", destination / "usr/bin/busybox")
    finish_image_root(destination)
    return destination


class UnpackedApptainer:
    """The apptainer that was unpacked in `tree`."""

    def __init__(self, tree: Path) -> None:
        self.program = tree / "usr/bin/apptainer"
        # SIF images need mksquashfs and unsquashfs, which lie beside apptainer.
        self._path = f"{tree / 'usr/bin'}:{tree / 'usr/sbin'}:/usr/bin:/bin"

    def build_with_files(self, base: Path, destination: Path, *, files: Mapping[Path, str] | None = None) -> Path:
        """Build the image `destination` from the directory or image `base`, and return `destination`.

        Copy `files` into the image (key: path on this machine, value: path in the image). If the name of `destination`
        ends in `.sif`, the image is one file, else a directory.

        Raises:
            LaunchError: apptainer failed; the message quotes its output.
        """
        as_file = destination.suffix == ".sif"
        sandbox = destination.with_suffix(".sandbox") if as_file else destination
        self._run_build(base, sandbox, "--sandbox")
        # A definition file with `%files` needs an installed `newuidmap`. So make a sandbox folder, and copy the files.
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
            env=self.build_environment(),
        )
        if outcome.returncode:
            raise LaunchError(
                f"apptainer could not build {destination.name}: {outcome.stderr.strip()[-500:]}",
                f"check the free space below {destination.parent}, and that you can read {source}",
            )

    def build_environment(self) -> dict[str, str]:
        """Return the environment in which this apptainer must run."""
        return {**os.environ, "PATH": self._path}
