"""Which connections a full server closes: idle ones first, of whoever has most, and of whoever leaves most unread."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.web.server.connections import ConnectionLimits, ConnectionTable


def table(**limits: int) -> ConnectionTable:
    return ConnectionTable(ConnectionLimits(**limits))  # type: ignore[arg-type] # all that are given are counts


def test_a_full_table_closes_the_connection_that_has_been_idle_longest() -> None:
    full = table(max_connections=3)
    assert [full.add_connection(name, "a") for name in ("one", "two", "three")] == [None, None, None]
    full.mark_busy("one")
    assert full.add_connection("four", "a") == "two"
    full.mark_idle("one")
    assert full.add_connection("five", "a") == "three"
    assert full.add_connection("six", "a") == "four"
    assert full.add_connection("seven", "a") == "one", "it is idle since its request ended"
    assert full.n_connections == 3


def test_it_is_the_address_with_most_connections_that_loses_one() -> None:
    full = table(max_connections=4)
    full.add_connection("ben", "b")
    for name in ("one", "two", "three"):
        full.add_connection(name, "a")
    assert full.add_connection("ada", "c") == "one"


def test_a_newcomer_is_refused_where_nothing_is_idle() -> None:
    full = table(max_connections=2)
    for name in ("one", "two"):
        full.add_connection(name, "a")
        full.mark_busy(name)
    full.mark_idle("one")
    full.mark_busy("one")
    # The newcomer itself is idle.
    assert full.add_connection("three", "b") == "three"
    assert full.n_connections == 2


def test_an_address_has_its_own_limit_unless_it_is_a_trusted_proxy() -> None:
    limits = ConnectionLimits(max_per_address=2, trusted_proxies=frozenset({"proxy"}))
    some = ConnectionTable(limits)
    for address in ("a", "proxy"):
        for n in range(2):
            assert some.add_connection(f"{address}{n}", address) is None
    assert some.add_connection("a2", "a") == "a0"
    assert some.add_connection("proxy2", "proxy") is None


def test_the_caller_with_too_much_unread_loses_the_connection_that_waits_longest() -> None:
    some = table(max_unread_of_caller_bytes=100, max_unread_bytes=250)
    for name in ("a1", "a2", "a3", "b1", "b2", "c1", "c2"):
        some.add_connection(name, "x")
    assert some.note_unread("a1", "ada", 60) is None
    assert some.note_unread("a2", "ada", 40) is None
    assert some.note_unread("a3", "ada", 1) == "a1"
    assert some.note_unread("b1", "ben", 100) is None
    assert some.note_unread("c1", "cat", 60) is None
    assert some.n_unread_bytes == 201
    # Over the limit of all, whoever has most loses.
    assert some.note_unread("c2", "cat", 40) is None
    assert some.note_unread("a2", "ada", 60) == "b1"
    some.note_all_read("c1")
    some.note_all_read("c2")
    some.forget_connection("a2")
    some.forget_connection("a3")
    assert some.n_unread_bytes == 0


def test_what_is_closed_already_counts_no_more() -> None:
    some = table()
    some.forget_connection("nobody")
    some.note_all_read("nobody")
    some.mark_busy("nobody")
    some.mark_idle("nobody")
    assert some.note_unread("nobody", "ada", 10) is None
    assert (some.n_connections, some.n_unread_bytes) == (0, 0)


NAMES = st.sampled_from([f"c{n}" for n in range(8)])
STEPS = st.one_of(
    st.tuples(st.just("open"), NAMES, st.sampled_from("ab")),
    st.tuples(st.sampled_from(["mark_busy", "mark_idle", "note_all_read", "close"]), NAMES, st.none()),
    st.tuples(st.just("hold"), NAMES, st.integers(0, 80)),
)


@given(st.lists(STEPS, max_size=60))
def test_the_limits_hold_whatever_happens(steps: list[tuple[str, str, object]]) -> None:
    some = table(max_connections=4, max_per_address=3, max_unread_of_caller_bytes=100, max_unread_bytes=150)
    alive: set[str] = set()
    for step, name, value in steps:
        victim: object = None
        match step:
            case "open" if name not in alive:
                alive.add(name)
                victim = some.add_connection(name, str(value))
            case "hold":
                victim = some.note_unread(name, f"caller {name[1]}", int(str(value)))
            case "mark_busy" | "mark_idle" | "note_all_read":
                getattr(some, step)(name)
            case "close":
                some.forget_connection(name)
                alive.discard(name)
        if victim is not None:
            assert victim in alive
            alive.discard(str(victim))
        assert some.n_connections == len(alive) <= 4
        assert some.n_unread_bytes <= 150
    for name in alive:
        some.forget_connection(name)
    assert (some.n_connections, some.n_unread_bytes) == (0, 0)


def test_an_answer_of_no_bytes_counts_as_none() -> None:
    some = table()
    some.add_connection("a", "x")
    assert some.note_unread("a", "ada", 0) is None
    assert some.n_unread_bytes == 0
