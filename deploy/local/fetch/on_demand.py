"""Download the container programs at the first call. Few users who run pilots as child processes need these
programs.
"""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.secret_files import write_secret

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
exec {python} -P -m deploy.local containers {known}
"""


def write_stand_ins(directory: Path, environment: Mapping[str, str]) -> Path:
    """Write a script in place of apptainer and one in place of bubblewrap into `directory`. Return the path of the
    first.

    Each script runs the program of its name. The first call downloads the programs into the cache.
    """
    kept = {name: value for name, value in environment.items() if name in _KEPT or name.lower() in _PROXIES}
    kept["PATH"] = environment.get("PATH", os.defpath)
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in kept.items())
    paths = (directory / "tree", directory / "download", sys.executable)
    known, download, python = (shlex.quote(str(path)) for path in paths)
    # A proxy's address may contain a password, so write it only to a file of our own, never into an argument.
    write_secret(directory / "download", _DOWNLOAD.format(exports=exports, python=python, known=known).encode())
    for name in _PROGRAMS:
        text = _SCRIPT.format(known=known, download=download, name=name)
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return directory / _PROGRAMS[0]


def write_tree_path(tree: Path, known: Path) -> None:
    """Write the path `tree` of the programs to the file `known`, atomically. The scripts of `write_stand_ins` read the
    file.
    """
    partial = known.with_name(f"{known.name}.{os.getpid()}")
    partial.write_text(f"{tree}\n")
    partial.rename(known)
