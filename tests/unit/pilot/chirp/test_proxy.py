"""HTCondor's chirp is the pilot's alone: no file tells a task of it, and no module of a task is one of the pilot."""

import subprocess
import sys
from pathlib import Path

import pytest

from pilot.chirp.proxy import ChirpProxy, take_proxy
from pilot.containers.own_process import drop_directory

_CHECKOUT = Path(__file__).parents[4]
TEXT = "127.0.0.1 40123 a-secret\n"


@pytest.mark.parametrize("where", ["named by HTCondor", "in the job's directory"])
def test_the_pilot_takes_the_proxy_and_leaves_nothing(tmp_path: Path, where: str) -> None:
    (user := tmp_path / "user").mkdir()
    is_named = where == "named by HTCondor"
    file = (user if is_named else tmp_path) / ".chirp.config"
    file.write_text(TEXT)
    proxy = take_proxy({"_CONDOR_CHIRP_CONFIG": str(file)} if is_named else {}, str(tmp_path))
    assert proxy == ChirpProxy("127.0.0.1", 40123, "a-secret")
    assert not file.exists()
    assert "a-secret" not in repr(proxy)


def test_a_job_without_chirp_has_no_proxy(tmp_path: Path) -> None:
    assert take_proxy({}, str(tmp_path)) is None
    assert take_proxy({"_CONDOR_CHIRP_CONFIG": str(tmp_path / "none")}, str(tmp_path)) is None


@pytest.mark.parametrize("text", ["", "127.0.0.1 40123", "127.0.0.1 port a-secret", "a b c d"])
def test_a_file_that_cannot_be_read_goes_as_well(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    (file := tmp_path / ".chirp.config").write_text(text)
    assert take_proxy({}, str(tmp_path)) is None
    assert not file.exists()
    assert "cannot be read" in caplog.text


def test_python_looks_for_no_module_where_tasks_write(tmp_path: Path) -> None:
    (job := tmp_path / "job").mkdir()
    (link := tmp_path / "link").symlink_to(job)
    rest = ["/usr/lib/python3.11", str(tmp_path)]
    for place in (str(job), str(link), ""):
        assert drop_directory([place, *rest], str(job)) == rest
    ours = str(_CHECKOUT)
    assert drop_directory([ours, *rest], ours) == [ours, *rest], "started in a checkout, it is where its modules are"


def test_a_pilot_imports_no_module_that_a_task_has_written_into_its_directory(tmp_path: Path) -> None:
    (tmp_path / "written_by_a_task.py").write_text("print('in the pilot')")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from pilot.containers.own_process import prepare_process; "
        f"prepare_process({str(tmp_path)!r}); import written_by_a_task"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=_CHECKOUT)
    assert done.stdout == ""
    assert "No module named 'written_by_a_task'" in done.stderr
