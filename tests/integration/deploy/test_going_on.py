"""A data directory is nobody's but EWMS's. `test_lasting_system` has the other rules of data directories."""

from pathlib import Path

import pytest

from tests.integration.deploy.conftest import Launch


@pytest.mark.usefixtures("installed")
def test_a_directory_with_other_files_is_refused_and_not_touched_even_by_a_fresh_start(
    scratch: Path, launch: Launch
) -> None:
    (scratch / "thesis").mkdir()
    (scratch / "thesis/chapter.tex").write_text("all my work")
    refused = launch("up", "--pool", "local", "--data", "thesis", "--fresh")
    assert refused.wait(60) == 1
    assert "chapter.tex" in (scratch / "errors").read_text()
    assert [file.name for file in (scratch / "thesis").iterdir()] == ["chapter.tex"]
