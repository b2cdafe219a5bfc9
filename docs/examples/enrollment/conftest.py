"""What the tests of this example share. `FAKE_NETWORK` names the network's directory, as for the step worker."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["ewms.steps.testing.plugin"]

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The systems outside, without devices and services."""
    path = Path(os.environ.get("FAKE_NETWORK") or tmp_path)
    monkeypatch.setenv("FAKE_NETWORK", str(path))
    yield path
    (path / "broken").unlink(missing_ok=True)
    for file in [*path.glob("devices/*.json"), *path.glob("services/*.json")]:
        file.unlink()
