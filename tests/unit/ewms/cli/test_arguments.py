import pytest

from ewms.cli.arguments import find_output_option, move_globals_first


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
    assert move_globals_first(typed.split()) == parsed.split()


@pytest.mark.parametrize(
    ("typed", "output"),
    [
        ("workflow list", ""),
        ("workflow list -o json", "json"),
        ("-ojson workflow list --output=yaml", "yaml"),
        ("queue publish WF-1 a -- -o json", ""),
    ],
)
def test_how_an_error_is_to_be_written_is_known_before_the_line_is_parsed(typed: str, output: str) -> None:
    assert find_output_option(typed.split()) == output
