"""Each demand that the authoring language keeps has a test with its number, and no test carries a number of nothing."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/reference/processes.md").read_text()
TESTED = {
    number.upper()
    for path in Path(__file__).parent.rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    for number in re.findall(r"_([os]\d+)(?=_)", name)
}


def test_each_demand_on_the_language_is_tested_under_its_number() -> None:
    demanded = re.findall(r"^\| ([OS]\d+) \|.*`ewms/steps`|^\| (S\d+) \|", PAGE, re.MULTILINE)
    assert len(demanded) > 45
    assert not {one or other for one, other in demanded} - TESTED


def test_each_number_in_a_tests_name_is_a_demand() -> None:
    assert not TESTED - set(re.findall(r"^\| ([OS]\d+) \|", PAGE, re.MULTILINE))
