"""Only programs that name a loader are patched: libraries, scripts and static programs are left alone."""

import struct
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.children.helper_programs import HelperPrograms
from deploy.local.errors import LaunchError
from deploy.local.fetch.progress import Steps
from deploy.local.fetch.relocation import dynamic_programs, has_interpreter, relocate_programs

_LOAD, _INTERP = 1, 3


def _elf(*segments: int, little: bool = True) -> bytes:
    """Return a 64-bit ELF header with program headers of the kinds `segments`."""
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02" + (b"\x01" if little else b"\x02")
    struct.pack_into("<Q", header, 32, 64)
    struct.pack_into("<HH", header, 54, 56, len(segments))
    return bytes(header) + b"".join(struct.pack("<I", kind).ljust(56, b"\0") for kind in segments)


def _is_program(directory: Path, content: bytes) -> bool:
    (file := directory / "file").write_bytes(content)
    return has_interpreter(file)


def test_a_program_that_names_a_loader_is_found(tmp_path: Path) -> None:
    assert _is_program(tmp_path, _elf(_LOAD, _INTERP, _LOAD))


def test_libraries_scripts_and_torn_files_are_not_programs(tmp_path: Path) -> None:
    for content in (_elf(_LOAD, _LOAD), _elf(), b"#!/bin/sh\n" + b"x" * 100, b"\x7fELF\x02\x01", b"", _elf(3)[:50]):
        assert not _is_program(tmp_path, content)


def test_links_are_not_followed_so_that_nothing_is_patched_twice(tmp_path: Path) -> None:
    (program := tmp_path / "program").write_bytes(_elf(_INTERP))
    (tmp_path / "link").symlink_to(program)
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert list(dynamic_programs(tmp_path)) == [program]


def test_a_tree_that_lacks_its_c_library_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    tree = tmp_path / "pool" / "tree"
    (tree / "usr").mkdir(parents=True)
    with (
        Steps(Console(quiet=True)) as steps,
        HelperPrograms() as helpers,
        pytest.raises(LaunchError, match="no C library"),
    ):
        relocate_programs(tree, steps.add_step("pool"), helpers)
