"""Which connections a full server closes: idle ones first, of whoever has most, and of whoever leaves most unread."""

from hypothesis import given
from hypothesis import strategies as st

from runtime.web.connections import ConnectionLimits, ConnectionTable


def table(**limits: int) -> ConnectionTable:
    return ConnectionTable(ConnectionLimits(**limits))  # type: ignore[arg-type] # all that are given are counts


def test_a_full_table_closes_the_connection_that_has_been_idle_longest() -> None:
    full = table(max_connections=3)
    assert [full.open(name, "a") for name in ("one", "two", "three")] == [None, None, None]
    full.occupy("one")
    assert full.open("four", "a") == "two"
    full.release("one")
    assert full.open("five", "a") == "three"
    assert full.open("six", "a") == "four"
    assert full.open("seven", "a") == "one", "it is idle since its request ended"
    assert full.n_connections == 3


def test_it_is_the_address_with_most_connections_that_loses_one() -> None:
    full = table(max_connections=4)
    full.open("ben", "b")
    for name in ("one", "two", "three"):
        full.open(name, "a")
    assert full.open("ada", "c") == "one"


def test_a_newcomer_is_refused_where_nothing_is_idle() -> None:
    full = table(max_connections=2)
    for name in ("one", "two"):
        full.open(name, "a")
        full.occupy(name)
    full.release("one")
    full.occupy("one")
    # The newcomer itself is idle.
    assert full.open("three", "b") == "three"
    assert full.n_connections == 2


def test_an_address_has_its_own_limit_unless_it_is_a_trusted_proxy() -> None:
    limits = ConnectionLimits(max_per_address=2, trusted_proxies=frozenset({"proxy"}))
    some = ConnectionTable(limits)
    for address in ("a", "proxy"):
        for n in range(2):
            assert some.open(f"{address}{n}", address) is None
    assert some.open("a2", "a") == "a0"
    assert some.open("proxy2", "proxy") is None


def test_the_caller_with_too_much_unread_loses_the_connection_that_waits_longest() -> None:
    some = table(max_unread_of_caller_bytes=100, max_unread_bytes=250)
    for name in ("a1", "a2", "a3", "b1", "b2", "c1", "c2"):
        some.open(name, "x")
    assert some.hold("a1", "ada", 60) is None
    assert some.hold("a2", "ada", 40) is None
    assert some.hold("a3", "ada", 1) == "a1"
    assert some.hold("b1", "ben", 100) is None
    assert some.hold("c1", "cat", 60) is None
    assert some.n_unread_bytes == 201
    # Over the limit of all, whoever has most loses.
    assert some.hold("c2", "cat", 40) is None
    assert some.hold("a2", "ada", 60) == "b1"
    some.drain("c1")
    some.drain("c2")
    some.close("a2")
    some.close("a3")
    assert some.n_unread_bytes == 0


def test_what_is_closed_already_counts_no_more() -> None:
    some = table()
    some.close("nobody")
    some.drain("nobody")
    some.occupy("nobody")
    some.release("nobody")
    assert some.hold("nobody", "ada", 10) is None
    assert (some.n_connections, some.n_unread_bytes) == (0, 0)


NAMES = st.sampled_from([f"c{n}" for n in range(8)])
STEPS = st.one_of(
    st.tuples(st.just("open"), NAMES, st.sampled_from("ab")),
    st.tuples(st.sampled_from(["occupy", "release", "drain", "close"]), NAMES, st.none()),
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
                victim = some.open(name, str(value))
            case "hold":
                victim = some.hold(name, f"caller {name[1]}", int(str(value)))
            case "occupy" | "release" | "drain":
                getattr(some, step)(name)
            case "close":
                some.close(name)
                alive.discard(name)
        if victim is not None:
            assert victim in alive
            alive.discard(str(victim))
        assert some.n_connections == len(alive) <= 4
        assert some.n_unread_bytes <= 150
    for name in alive:
        some.close(name)
    assert (some.n_connections, some.n_unread_bytes) == (0, 0)


def test_an_answer_of_no_bytes_counts_as_none() -> None:
    some = table()
    some.open("a", "x")
    assert some.hold("a", "ada", 0) is None
    assert some.n_unread_bytes == 0
