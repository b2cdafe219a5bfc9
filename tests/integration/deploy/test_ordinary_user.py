"""Nothing needs root: the servers, a job of the pool and a container as a user without any privilege."""

import os
import sys
import tempfile
from pathlib import Path

from deploy.local.fetch.cache import Installed
from tests.integration.deploy.as_nobody import run_as_nobody

_CHECKOUT = Path(__file__).parents[3]
_SCRIPT = Path(__file__).with_name("ordinary_user.py")


def test_everything_runs_for_a_user_without_any_privilege(installed: Installed) -> None:
    with tempfile.TemporaryDirectory(prefix="u") as directory:
        Path(directory).chmod(0o755)
        home, stage = Path(directory, "home"), Path(directory, "stage")
        home.mkdir()
        stage.mkdir(mode=0o700)
        environment = {
            **os.environ,
            "HOME": str(home),
            "TMPDIR": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CACHE_HOME": str(installed.mongod.parents[3]),
            "PYTHONPATH": str(_CHECKOUT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        environment.pop("CONDOR_CONFIG", None)
        outcome = run_as_nobody(
            [sys.executable, str(_SCRIPT)],
            home=home,
            stage=stage,
            needed=(installed.mongod.parents[2], _CHECKOUT, Path(sys.base_prefix)),
            environment=environment,
        )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == "all is well\n"
