"""The configuration files of the sandboxes, which several builds of one worker write at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from processes.builds.sandbox.runner import SandboxRunner

N = 8


def test_builds_that_begin_at_once_write_the_same_files(tmp_path: Path) -> None:
    def make_runner(number: int) -> SandboxRunner:
        return SandboxRunner(tree=tmp_path / "tree", conf=tmp_path / f"conf{number}", holder=(), max_processes=10)

    for number in range(10):
        together = Barrier(N)

        def write(registry: str, number: int = number, together: Barrier = together) -> None:
            together.wait()
            make_runner(number).write_configuration([registry])

        with ThreadPoolExecutor(N) as threads:
            list(threads.map(write, [f"localhost:{port}" for port in range(N)]))
        files = [path for path in (tmp_path / f"conf{number}").rglob("*") if path.is_file()]
        assert "registries.conf" in {path.name for path in files}
        assert all(path.stat().st_mode & 0o777 in {0o644, 0o755} for path in files)
        assert not [path for path in files if path.name.startswith("registries.conf.")]
