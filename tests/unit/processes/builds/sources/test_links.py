"""Whether a symbolic link leads out of a task's directory."""

import os.path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.builds.sources.links import leads_out


@pytest.mark.parametrize(("path", "target", "leads"), [
    ("a", "b", False), ("d/a", "../b", False), ("d/a", "../../b", True), ("a", "..", True), ("a", "/b", True),
    ("d/e/a", "../../x/../y", False), ("a", "b/../../c", True), ("a", "b/..", False),
])  # fmt: skip
def test_a_link_stays_inside_or_leads_out(path: str, target: str, leads: bool) -> None:
    assert leads_out(path, target) is leads


@given(st.lists(st.sampled_from(["a", "b", ".."]), max_size=8), st.integers(0, 3))
def test_a_link_that_stays_inside_ends_inside(parts: list[str], depth: int) -> None:
    if not leads_out("d/" * depth + "link", "/".join(parts) or "."):
        end = os.path.normpath("/".join(["/top", *["d"] * depth, *parts]))
        assert end == "/top" or end.startswith("/top/")
