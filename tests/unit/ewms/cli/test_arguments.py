import pytest

from ewms.cli.arguments import globals_first


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        ("workflow show WF-1 -o json", "-o json workflow show WF-1"),
        ("workflow show --server=http://x WF-1 -q", "--server=http://x -q workflow show WF-1"),
        ("-ojson queue depth WF-1", "-ojson queue depth WF-1"),
        ("queue publish WF-1 a -- -o json", "queue publish WF-1 a -- -o json"),
        ("workflow submit f --set a.b=-q", "workflow submit f --set a.b=-q"),
        ("workflow list --output", "--output workflow list"),
    ],
)
def test_global_options_may_stand_anywhere(typed: str, parsed: str) -> None:
    assert globals_first(typed.split()) == parsed.split()
