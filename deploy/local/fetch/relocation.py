"""Unpack packages into a tree and make its programs use the tree's own C library, wherever the tree lies."""

import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deploy.local.children.helper_programs import HelperPrograms
from deploy.local.choices.prerequisites import find_patchelf, find_tool
from deploy.local.errors import LaunchError
from deploy.local.fetch.progress import Bar

_PT_INTERP = 3
_N_WORKERS = 2
_PATCHELF_BATCH = 16


def unpack_files(files: Sequence[Path], tree: Path, bar: Bar, helpers: HelperPrograms) -> None:
    """Unpack the packages `files` into `tree`. Run no maintainer script.

    Raises:
        LaunchError: a tool is missing, or a package cannot be unpacked.
    """
    program = find_tool("dpkg-deb")
    untar = (find_tool("tar"), "-xf", "-", "--keep-directory-symlink", "--no-same-owner", "--delay-directory-restore")
    tree.mkdir(parents=True, exist_ok=True)
    # Some packages still write to /lib or /bin, as before the merge of /usr. Links lead them to the one directory.
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(f"usr/{name}")

    def unpack_file(file: Path) -> None:
        # dpkg-deb -x would replace the links above with directories. tar has an option against that.
        packed = helpers.start_program([program, "--fsys-tarfile", file], stderr=subprocess.DEVNULL)
        assert packed.stdout is not None
        tar = helpers.start_program([*untar, "-C", tree], stdin=packed.stdout)
        # Close our end of the pipe, so that dpkg-deb notices if tar ends early.
        packed.stdout.close()
        _, complaints = helpers.read_output(tar)
        helpers.await_exit(packed)
        if packed.returncode or tar.returncode:
            raise LaunchError(
                f"could not unpack {file.name}: {complaints.strip()[-300:]}",
                f"check the free space below {tree.parent}, remove {file} and try again",
            )
        bar.count_units()

    with ThreadPoolExecutor(_N_WORKERS, thread_name_prefix="unpack") as pool:
        list(pool.map(unpack_file, files))


def relocate_programs(tree: Path, bar: Bar, helpers: HelperPrograms) -> None:
    """Make every program of `tree` use the loader and the libraries of `tree`.

    Libraries need no change: the loader uses the program's (forced) run path for them, too.

    Raises:
        LaunchError: `tree` has no C library, or patchelf failed.
    """
    programs = list(dynamic_programs(tree / "usr"))
    loader = tree / "usr/lib64/ld-linux-x86-64.so.2"
    if not loader.exists():
        raise LaunchError(f"{tree} has no C library of its own", f"remove {tree.parents[1]} and try again")
    libraries = ":".join(str(tree / "usr/lib" / part) for part in ("x86_64-linux-gnu", "", "condor")).replace("/:", ":")
    batches = [programs[start : start + _PATCHELF_BATCH] for start in range(0, len(programs), _PATCHELF_BATCH)]
    bar.begin_stage("relocating", len(programs))

    def patch_batch(batch: Sequence[Path]) -> None:
        process = helpers.start_program(
            [find_patchelf(), "--set-interpreter", loader, "--force-rpath", "--set-rpath", libraries, *batch]
        )
        _, complaints = helpers.read_output(process)
        if process.returncode:
            raise LaunchError(
                f"patchelf could not relocate the programs of {tree}: {complaints.strip()[-300:]}",
                f"check the free space below {tree.parent}, remove {tree.parent} and try again",
            )
        bar.count_units(len(batch))

    with ThreadPoolExecutor(_N_WORKERS, thread_name_prefix="patchelf") as pool:
        list(pool.map(patch_batch, batches))


def dynamic_programs(directory: Path) -> Iterator[Path]:
    """Yield the ELF files below `directory` that name a loader. Leave out symbolic links."""
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink() and path.is_file() and has_interpreter(path):
                yield path


def has_interpreter(path: Path) -> bool:
    """Return whether `path` is a 64-bit ELF file with a program header that names a loader."""
    with path.open("rb") as file:
        header = file.read(64)
        if len(header) < 64 or not header.startswith(b"\x7fELF\x02\x01"):
            return False
        (offset,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        file.seek(offset)
        table = file.read(size * count)
    return any(struct.unpack_from("<I", table, index * size)[0] == _PT_INTERP for index in range(count))
