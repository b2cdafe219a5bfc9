"""Which ids of the machine the accounts of a launch get, and how they are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.children import accounts
from deploy.local.children.accounts import FIRST_SLOT, N_IDS, N_SLOTS, Accounts, Span, choose_first_id

ALL = (0, 4_294_967_295)


def first(usable: list[Span], taken: list[Span]) -> int | None:
    return choose_first_id(usable, taken, lambda free: free[0])


@pytest.mark.parametrize(
    ("usable", "taken", "chosen"),
    [
        ([ALL], [], 1 << 30),
        ([ALL], [(1 << 30, 1)], (1 << 30) + 256 * N_IDS),
        # A container that maps few ids, and one that maps its root only.
        ([(0, 65_536)], [(0, 1), (1000, 1), (65_534, 1)], 2 * N_IDS),
        ([(0, 65_536)], [(2 * N_IDS, 1)], 3 * N_IDS),
        ([(0, 1)], [], None),
        ([(0, 1), (100_000, N_IDS // 2)], [], None),
        ([ALL], [ALL], None),
        ([], [], None),
    ],
)
def test_ids_are_high_and_nobodys(usable: list[Span], taken: list[Span], chosen: int | None) -> None:
    assert first(usable, taken) == chosen


spans = st.lists(st.tuples(st.integers(0, 1 << 31), st.integers(1, 1 << 20)), max_size=5)


@given(usable=spans, taken=spans, index=st.integers(0, 5000))
def test_whatever_is_drawn_lies_in_what_is_usable_and_in_nothing_that_is_taken(
    usable: list[Span], taken: list[Span], index: int
) -> None:
    chosen = choose_first_id(usable, taken, lambda free: free[index % len(free)])
    if chosen is None:
        return
    assert any(begin <= chosen and chosen + N_IDS <= begin + count for begin, count in usable)
    assert not any(chosen < begin + count and begin < chosen + N_IDS for begin, count in taken)
    # `daemon`, people and services have ids below.
    assert chosen >= 2_000


def test_what_others_have_is_read_from_the_machines_own_files() -> None:
    passwd = "root:x:0:0:root:/root:/bin/bash\n# a comment\n+::::::\nada:x:1000:1000::/home/ada:/bin/sh\n"
    assert accounts.spans_of_accounts(passwd) == [(0, 1), (1000, 1)]
    assert accounts.spans_of_accounts("users:x:100:ada,bob\n") == [(100, 1)]
    assert accounts.spans_of_subordinates("ada:100000:65536\n\nbroken\nbob:x:1\n") == [(100_000, 65_536)]
    assert accounts.spans_of_map("         0          0 4294967295\n") == [ALL]
    assert accounts.spans_of_map("0 1000 1\n1 100000 65536\n") == [(0, 1), (1, 65_536)]


def test_every_account_has_one_name_and_a_slot_has_one_account() -> None:
    for text in (accounts.passwd_text(), accounts.group_text()):
        fields = [line.split(":") for line in text.splitlines()]
        names, ids = [one[0] for one in fields], [one[2] for one in fields]
        assert len(set(names)) == len(names)
        assert len(set(ids)) == len(ids)
        assert ("ewms-slot3", str(FIRST_SLOT + 2)) in zip(names, ids, strict=True)
    assert FIRST_SLOT + N_SLOTS <= N_IDS
    assert Accounts(5 * N_IDS).machine_id(FIRST_SLOT) == 5 * N_IDS + FIRST_SLOT
