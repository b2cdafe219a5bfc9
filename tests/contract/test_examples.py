"""The examples that users copy are requests that the gateway takes."""

from pathlib import Path

import pytest

from schemas.api.workflows.requests import WorkflowRequest

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    *sorted((ROOT / "docs/examples").glob("*/workflow*.json")),
    ROOT / "tests/data/first-published-request.json",
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_example_is_a_valid_request(path: Path) -> None:
    WorkflowRequest.model_validate_json(path.read_bytes())


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 2
