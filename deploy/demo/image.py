"""Build the image of the demonstration's second task: a small Python with the task's script."""

import subprocess
from pathlib import Path

from deploy.demo.tracks import EXAMPLE, IN_IMAGE
from deploy.local.errors import LaunchError
from deploy.local.fetch.cache import Installed
from deploy.local.fetch.images import UnpackedApptainer

# The modules that the script imports, directly or through another module.
_MODULES = ("collections.abc", "json", "math", "os", "time")


def build_image(installed: Installed, destination: Path) -> Path:
    """Build the image at `destination`, and return `destination`.

    Raises:
        LaunchError: apptainer could not build the image, or the image does not run.
    """
    apptainer = UnpackedApptainer(installed.containers)
    image = apptainer.build_with_files(installed.python_image, destination, files={EXAMPLE / "refine.py": IN_IMAGE})
    _precompile_modules(apptainer, image)
    return image


def _precompile_modules(apptainer: UnpackedApptainer, image: Path) -> None:
    # Debian compiles Python's modules when it installs them. This image is only unpacked, and a container cannot save
    # what it compiles, so every start would take 0.22 s instead of 0.10 s. We import the modules once with the image
    # writable: Python then saves the compiled modules in the image.
    command = [
        *(str(apptainer.program), "--quiet", "exec", "--userns", "--writable", "--contain", "--no-home", "--pwd", "/"),
        *(str(image), "python3", "-S", "-E", "-c", f"import {', '.join(_MODULES)}"),
    ]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=apptainer.build_environment(),
    )
    if done.returncode:
        raise LaunchError(
            f"the task image at {image} does not run: {done.stderr.strip()[-500:]}",
            "apptainer needs user namespaces: see `sysctl kernel.unprivileged_userns_clone user.max_user_namespaces`",
        )
