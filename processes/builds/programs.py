"""Find the builder's programs. The launcher downloads them when the first build needs them."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.settings import BuilderSettings

_FETCH_S = 1800.0


@dataclass(frozen=True, slots=True)
class Programs:
    """The trees of unpacked programs, and the builder's base images."""

    #: buildah, skopeo, git, bubblewrap, busybox.
    builder: Path
    #: apptainer.
    containers: Path
    #: Name of a base image -> the directory with its root file system.
    bases: Mapping[str, Path]


def find_programs(settings: BuilderSettings) -> Programs:
    """Return the programs. If they are missing, fetch them first.

    Raises:
        BuildFailed: the programs are not there, and cannot be fetched.
    """
    if not settings.build_programs.exists() and settings.build_programs_fetch:
        _fetch_programs(settings)
    try:
        found = json.loads(settings.build_programs.read_text())
        bases = {str(name): Path(root) for name, root in found["bases"].items()}
        return Programs(Path(found["builder"]), Path(found["containers"]), bases)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BuildFailed(
            f"the builder's programs are not known: cannot read {settings.build_programs} ({error}); "
            "the operator must set EWMS_BUILD_PROGRAMS to the file that the launcher writes"
        ) from error


def _fetch_programs(settings: BuilderSettings) -> None:
    try:
        done = subprocess.run(
            settings.build_programs_fetch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_FETCH_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildFailed(f"the builder's programs cannot be fetched: {error}; rebuild the task later") from error
    if done.returncode:
        raise BuildFailed(
            f"the builder's programs cannot be fetched: {done.stderr.strip()[-500:]}; rebuild the task later"
        )
