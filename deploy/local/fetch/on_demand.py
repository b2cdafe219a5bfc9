"""Container programs that are downloaded when they are first called: few who run pilots as child processes need any."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.secret_files import write_secret

_PROGRAMS = ("apptainer", "bwrap")

#: What a download needs to know of the launcher's environment; a pilot gives its programs none of it.
_KEPT = ("EWMS_DEBIAN_MIRROR", "HOME", "PYTHONPATH", "XDG_CACHE_HOME")
_PROXIES = ("all_proxy", "http_proxy", "https_proxy", "no_proxy")

_SCRIPT = """\
#!/bin/sh
[ -s {known} ] || /usr/bin/env -i /bin/sh {download} || exit 255
read -r tree < {known}
PATH="$tree/usr/bin:$tree/usr/sbin:$PATH" exec "$tree/usr/bin/{name}" "$@"
"""

# `-P`: a pilot's directory holds whatever its user sent along, and none of that is a module of ours.
_DOWNLOAD = """\
{exports}
exec {python} -P -m deploy.local containers {known}
"""


def write_stand_ins(directory: Path, environment: Mapping[str, str]) -> Path:
    """Write stand-ins for apptainer and bubblewrap into `directory`, and return apptainer's.

    Each becomes the program of that name, for which the first call, or calls, wait until it is in the cache.
    """
    kept = {name: value for name, value in environment.items() if name in _KEPT or name.lower() in _PROXIES}
    kept["PATH"] = environment.get("PATH", os.defpath)
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in kept.items())
    paths = (directory / "tree", directory / "download", sys.executable)
    known, download, python = (shlex.quote(str(path)) for path in paths)
    # An address of a proxy may have a password in it: it is neither in a file that others can read nor in an argument.
    write_secret(directory / "download", _DOWNLOAD.format(exports=exports, python=python, known=known).encode())
    for name in _PROGRAMS:
        text = _SCRIPT.format(known=known, download=download, name=name)
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return directory / _PROGRAMS[0]


def write_tree_path(tree: Path, known: Path) -> None:
    """Tell the stand-ins where the programs are, at once and whole."""
    partial = known.with_name(f"{known.name}.{os.getpid()}")
    partial.write_text(f"{tree}\n")
    partial.rename(known)
