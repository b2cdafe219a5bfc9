"""What WMS orders from builders survives the way there and back, and readers ignore what a later version adds."""

import pytest
from pydantic import ValidationError

from schemas.automation.builds import BuildOrder, DirectorySource, FoundCommit, GitSource, make_build_state


@pytest.mark.parametrize(
    "source",
    [
        GitSource(url="https://git.example.org/tasks.git", ref="main", subdirectory="one"),
        DirectorySource(path="/srv/t"),
    ],
)
def test_an_order_is_the_same_after_the_way_through_a_runs_state(source: GitSource | DirectorySource) -> None:
    order = BuildOrder(build="7-1-1", task=7, version=1, source=source, locations=("north",))
    state = make_build_state(order, "secret")
    assert BuildOrder.model_validate(state["order"]) == order
    assert BuildOrder.model_validate({**state["order"], "of_a_later_version": 1}) == order
    assert "secret" not in str(state["order"])


@pytest.mark.parametrize(
    ("commit", "fits"), [("a" * 40, True), ("sha256:" + "0" * 64, True), ("main", False), ("", False)]
)
def test_a_found_commit_is_a_digest(commit: str, fits: bool) -> None:
    if fits:
        assert FoundCommit(commit=commit).commit == commit
        return
    with pytest.raises(ValidationError):
        FoundCommit(commit=commit)
