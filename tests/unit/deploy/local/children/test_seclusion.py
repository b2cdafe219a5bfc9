"""What an ordinary user's pool sees of a launch."""

import ast
import json
from pathlib import Path

from deploy.local.children import unprivileged
from deploy.local.children.seclusion import CoveredDirectories


def test_what_is_ours_is_covered_but_for_what_the_pool_needs() -> None:
    covered = CoveredDirectories((Path("/run"), Path("/run/data")), (Path("/run/images"),))
    words = covered.covering_command(readable=[Path("/cache"), Path("/run/key")], writable=[Path("/run/data/spool")])
    plan = json.loads(words[-1])
    # One that lies in another is under its cover already; what lies elsewhere is seen as it is.
    assert plan["covered"] == ["/run"]
    assert plan["shown"] == [["/run/data/spool", True], ["/run/images", False], ["/run/key", False]]
    assert plan["first_id"] is None
    assert not plan["opens"]
    job = json.loads(covered.job_command()[-1])
    assert job == plan | {"opens": True, "shown": [["/run/images", False]]}


def test_the_program_of_the_command_imports_little() -> None:
    """It starts for every job and every program of a build: what it imports costs more than what it does."""
    tree = ast.parse(Path(unprivileged.__file__).read_text())
    plain = {name.name for one in tree.body if isinstance(one, ast.Import) for name in one.names}
    assert plain == {"ctypes", "json", "os", "stat", "sys"}
    assert [one.module for one in tree.body if isinstance(one, ast.ImportFrom)] == ["__future__"]
