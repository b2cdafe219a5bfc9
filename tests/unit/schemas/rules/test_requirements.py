"""A user's requirements: what is one harmless expression is let through as it stands, anything else is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rules.requirements import BadRequirements, check_requirements
from tests.hostile import EXPRESSIONS


@pytest.mark.parametrize("hostile", EXPRESSIONS)
def test_expressions_that_reach_further_than_a_worker_are_refused(hostile: str) -> None:
    with pytest.raises(BadRequirements):
        check_requirements(hostile)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Memory > 1",
        '(Machine == "node-1.example.org") && !(GLIDEIN_Site =?= undefined)',
        'regexp("^gpu[0-9]+$", Machine)',
        'regexp("(edu$|org$)", Machine)',
        'regexp("a$ b", Machine)',
        "X is undefined && Y ISNT error",
        'min({1, Memory}) > 1 && sum({1.5, 2}) < max({3}) || stringListSum("1,2") > AVG({1})',
        'stringListsIntersect(Sites, "A,B") && formatTime(time(), "%H") != "3"',
        "a[0] == -(2) && {1, 2}[0] == 1 && !(b)",
        "TARGET.CUDACapability >= 7.5 || MY.WantGPU =!= true",
        'stringListMember(GLIDEIN_Site, "A,B,C") && ifThenElse(isUndefined(X), 1, X) * 2.5e3 < 10K',
        'member("x", {"x", "y"}) && split(Arch, "_")[0] == "X86"',
        'versionGE(split(TARGET.CondorVersion)[1], "25.0") ? true : false',
        "Disk / 1024 > 5 && -1 < ~2 && (3 >> 1) == 1",
    ],
)
def test_expressions_over_workers_are_let_through_as_they_stand(text: str) -> None:
    assert check_requirements(f" {text}\t") == text


@given(st.text(max_size=60))
def test_whatever_is_let_through_is_one_expression_within_its_brackets(text: str) -> None:
    try:
        checked = check_requirements(text)
    except BadRequirements:
        return
    assert checked.isprintable()
    outside = "".join(part for n, part in enumerate(checked.replace('\\"', "").split('"')) if n % 2 == 0)
    depth = 0
    for character in outside:
        depth += (character in "([{") - (character in ")]}")
        assert depth >= 0
        assert character not in "$;#@`'\\"
    assert not re.search(r"\$[\w$(\[{]", checked, re.ASCII)
    assert depth == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(Memory > 1", "has a bracket that is not closed"),
        ("Memory > 1)", "has a bracket without its pair at character 11"),
        ("Memory > (1]", "has a bracket without its pair at character 12"),
        ("Memory > 1 executable", "needs an operator before character 12"),
        ("(a)(b)", "needs an operator before character 4"),
        ('"a" {1}', "needs an operator before character 5"),
        ("Memory >", "ends with an operator"),
        ("(Memory >) && x", "needs something behind the operator before character 10"),
        ('userHome("root") == 1', "the function 'userHome' is not allowed"),
        ("Memory @ 1", "is not an expression of ClassAds at character 8"),
        ("a\nb", "contains characters that cannot be seen"),
        ('regexp("$ENV(HOME)", Machine)', "'$' may only stand where a regular expression ends"),
        ('regexp("$(HOME)", Machine)', "'$' may only stand where a regular expression ends"),
        ('regexp("$$(Memory)", Machine)', "'$' may only stand where a regular expression ends"),
        ('regexp("$$([1+1])", Machine)', "'$' may only stand where a regular expression ends"),
        ('X == "$F(/etc/passwd)"', "'$' may only stand where a regular expression ends"),
        ("$(HOME)", "is not an expression of ClassAds at character 1"),
        ("x" * 8193, "is longer than 8192 characters"),
    ],
)
def test_what_is_wrong_is_said(text: str, reason: str) -> None:
    with pytest.raises(BadRequirements) as caught:
        check_requirements(text)
    assert str(caught.value) == reason
