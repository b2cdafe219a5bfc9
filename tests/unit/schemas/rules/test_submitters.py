"""Each owner is a submitter of its own, under a name that is safe wherever HTCondor reads it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rules.submitters import submitter_name

SAFE = re.compile(r"ewms-[a-z0-9_-]{1,95}")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("", ""),
        ("ada", "ewms-ada"),
        ("ada-1", "ewms-ada-1"),
        ("Ada@example.org", "ewms-_41da_40example_2eorg"),
        ("group_physics.ada", "ewms-group_5fphysics_2eada"),
        ("$ENV(HOME)", "ewms-_24_45_4e_56_28_48_4f_4d_45_29"),
        ('a"; +Owner = "root', "ewms-a_22_3b_20_2b_4fwner_20_3d_20_22root"),
        ("a\nexecutable=/bin/evil", "ewms-a_0aexecutable_3d_2fbin_2fevil"),
    ],
)
def test_an_owner_becomes_a_name_without_a_meaning_of_its_own(owner: str, name: str) -> None:
    assert submitter_name(owner) == name


def test_a_long_name_keeps_its_beginning() -> None:
    assert re.fullmatch(r"ewms-a{43}__[0-9a-f]{32}", submitter_name("a" * 200))


@given(st.text(min_size=1, max_size=300))
def test_every_name_is_safe_and_bounded(owner: str) -> None:
    assert SAFE.fullmatch(submitter_name(owner))


@given(st.text(max_size=120), st.text(max_size=120))
def test_two_owners_never_share_a_name_not_even_where_case_does_not_count(one: str, other: str) -> None:
    assert (submitter_name(one).lower() == submitter_name(other).lower()) == (one == other)
