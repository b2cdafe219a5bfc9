"""The second task's image, built on the spot: a small Python with the task's script in it."""

import subprocess
from pathlib import Path

from deploy.demo.tracks import EXAMPLE, IN_IMAGE
from deploy.local.errors import LaunchError
from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import UnpackedApptainer

# What the script imports, and what those import.
_MODULES = ("collections.abc", "json", "math", "os", "time")


def build_image(installed: Installed, destination: Path) -> Path:
    """Build the image at `destination` and return it.

    Raises:
        LaunchError: apptainer could not.
    """
    apptainer = UnpackedApptainer(installed.containers)
    image = apptainer.build_with_files(installed.python_image, destination, files={EXAMPLE / "refine.py": IN_IMAGE})
    _precompile_modules(apptainer, image)
    return image


def _precompile_modules(apptainer: UnpackedApptainer, image: Path) -> None:
    # Debian compiles its modules when it is installed, which an unpacked image never was, and a container cannot keep
    # what it compiles: every start would cost 0.22 s instead of 0.10 s. Imported once with the image writable, they
    # are kept in it.
    command = [
        *(str(apptainer.program), "--quiet", "exec", "--userns", "--writable", "--contain", "--no-home", "--pwd", "/"),
        *(str(image), "python3", "-S", "-E", "-c", f"import {', '.join(_MODULES)}"),
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=apptainer.environment()
    )
    if done.returncode:
        raise LaunchError(
            f"the task image at {image} does not run: {done.stderr.strip()[-500:]}",
            "apptainer needs user namespaces: see `sysctl kernel.unprivileged_userns_clone user.max_user_namespaces`",
        )
