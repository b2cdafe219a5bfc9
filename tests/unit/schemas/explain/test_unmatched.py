"""From TMS's words about a worker that no slot takes to the command that submits one that fits."""

import pytest

from schemas.explain.unmatched import complain_of_unmatched, unmatched_text


@pytest.mark.parametrize(
    ("task", "path"), [(0, "tasks.0.worker_config.worker_memory"), (None, "tasks.*.worker_config.worker_memory")]
)
def test_a_worker_that_is_too_large_is_told_with_the_field_and_the_setting(task: int | None, path: str) -> None:
    text = unmatched_text("no slot offers 999 GB of memory; the largest has 16 GB", "worker_memory", "16G")
    told, command = complain_of_unmatched(text, task)
    assert told == f"'{path}': {text}"
    assert command == f"ewms workflow submit FILE --set {path}=16G"


@pytest.mark.parametrize("text", ["", "no slot meets 'OpSys == \"PLAN9\"'", "no slot offers; ask for x=1 or less"])
def test_where_no_setting_helps_the_text_stays_as_it_is(text: str) -> None:
    assert complain_of_unmatched(text, 0) == (text, "")
