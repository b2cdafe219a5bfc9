"""(core) How many of each part a launch has, and what the second and third of them are called."""

from collections.abc import Iterable, Sequence

#: How many nodes the broker and the database may have: two would stop as soon as one of them is away.
NODE_COUNTS = (1, 3)

#: How many there are of each service, of the access points and of the step workers, if the servers have several nodes.
N_INSTANCES = 2


def count_instances(n_nodes: int) -> int:
    """Return how many of each service run if the broker and the database have `n_nodes`."""
    return N_INSTANCES if n_nodes > 1 else 1


def number_suffix(number: int) -> str:
    """Return what the name of the `number`-th of several equal things ends with: "" for the first, then "-2", "-3"."""
    return "" if number == 1 else f"-{number}"


def join_hosts(ports: Sequence[int]) -> str:
    """Return the hosts of an address with several: `127.0.0.1:20001,127.0.0.1:20002`."""
    return ",".join(f"127.0.0.1:{port}" for port in ports)


def number_names(names: Iterable[str], count: int) -> list[str]:
    """Return `names` of `count` equal things each: a, b, a-2, b-2."""
    names = list(names)
    return [f"{name}{number_suffix(number)}" for number in range(1, count + 1) for name in names]
