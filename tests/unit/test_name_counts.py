"""The report of `make check` on names."""

import pytest

from tests.name_counts import count_words, find_names, main


def test_functions_and_methods_count_and_python_s_own_names_do_not() -> None:
    source = "def load(): ...\nclass A:\n    def __init__(self): ...\n    async def _read_log(self): ...\n"
    assert list(find_names(source)) == ["load", "_read_log"]


@pytest.mark.parametrize(("name", "n"), [("load", 1), ("_load", 1), ("_read_log", 2), ("is_ready_to_start", 4)])
def test_words_are_what_underscores_part(name: str, n: int) -> None:
    assert count_words(name) == n


def test_each_package_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines][-1] == "all"
    assert len(lines) == 10
