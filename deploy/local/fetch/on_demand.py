"""Download programs at their first use: few users need the programs that run containers or build images."""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.fetch.cache import Installed
from deploy.local.files.secret_files import write_secret

_PROGRAMS = ("apptainer", "bwrap")

#: The variables of the launcher's environment that a download needs. A pilot does not pass them to its programs.
_KEPT = ("EWMS_DEBIAN_MIRROR", "HOME", "PYTHONPATH", "XDG_CACHE_HOME")
_PROXIES = ("all_proxy", "http_proxy", "https_proxy", "no_proxy")

_SCRIPT = """\
#!/bin/sh
[ -s {known} ] || /usr/bin/env -i /bin/sh {download} || exit 255
read -r tree < {known}
PATH="$tree/usr/bin:$tree/usr/sbin:$PATH" exec "$tree/usr/bin/{name}" "$@"
"""

# `-P` keeps Python from importing modules from the pilot's directory: its user chose the files there.
_DOWNLOAD = """\
{exports}
exec {python} -P -m deploy.local {verb} {known}
"""

#: The name of the base image that a launch provides for tasks.
PYTHON_BASE = "ewms/python"


def write_stand_ins(directory: Path, environment: Mapping[str, str]) -> Path:
    """Write a script in place of apptainer and one in place of bubblewrap into `directory`. Return the path of the
    first.

    Each script runs the program of its name. The first call downloads the programs into the cache.
    """
    known = directory / "tree"
    download = _write_download(directory, "containers", known, environment)
    for name in _PROGRAMS:
        text = _SCRIPT.format(known=shlex.quote(str(known)), download=shlex.quote(str(download)), name=name)
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return directory / _PROGRAMS[0]


def write_builder_download(directory: Path, environment: Mapping[str, str]) -> tuple[Path, list[str]]:
    """Return the path of the file that will name the builder's programs, and the command that downloads them and
    writes the file.
    """
    known = directory / "programs.json"
    return known, ["/bin/sh", str(_write_download(directory, "builder", known, environment))]


def _write_download(directory: Path, verb: str, known: Path, environment: Mapping[str, str]) -> Path:
    """Write the script that runs the launcher's `verb`, and return its path."""
    kept = {name: value for name, value in environment.items() if name in _KEPT or name.lower() in _PROXIES}
    kept["PATH"] = environment.get("PATH", os.defpath)
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in kept.items())
    text = _DOWNLOAD.format(
        exports=exports, python=shlex.quote(sys.executable), verb=verb, known=shlex.quote(str(known))
    )
    # A proxy's address may contain a password, so write it only to a file of our own, never into an argument.
    write_secret(directory / "download", text.encode())
    return directory / "download"


def write_tree_path(tree: Path, known: Path) -> None:
    """Write the path `tree` of the programs to the file `known`, atomically. The scripts of `write_stand_ins` read the
    file.
    """
    _write_whole(known, f"{tree}\n")


def write_builder_programs(installed: Installed, known: Path) -> None:
    """Write the paths of the builder's programs and base images to the file `known`, atomically, as JSON."""
    programs = {
        "builder": str(installed.builder),
        "containers": str(installed.containers),
        "bases": {PYTHON_BASE: str(installed.python_image)},
    }
    _write_whole(known, json.dumps(programs))


def _write_whole(known: Path, text: str) -> None:
    partial = known.with_name(f"{known.name}.{os.getpid()}")
    partial.write_text(text)
    partial.rename(known)
