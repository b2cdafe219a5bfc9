"""(core) Decide which HTTP connections a server keeps, and which connections it closes to make room.

A peer takes memory with each connection and with each answer that it has not read. The table counts both for every
peer. If the table is full, it closes a connection of the address with the most connections: the connection that has
been idle longest. If unread answers exceed a limit, it closes a connection of the caller with too many unread bytes:
the connection whose answer has waited longest.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The limits of one server for its peers. Units are in the names."""

    max_connections: int = 1000
    #: The limit of one address. Trusted proxies have no such limit, because all their users share their addresses.
    max_per_address: int = 500
    trusted_proxies: frozenset[str] = frozenset()
    #: The bytes of answers that peers have not read yet: the limit of one caller, and of all together.
    max_unread_of_caller_bytes: int = 48 * 1024**2
    max_unread_bytes: int = 256 * 1024**2
    #: How long the head of a request may take after its first byte.
    head_s: float = 20.0
    #: How long a connection may be idle.
    idle_s: int = 75
    #: The pause before an answer to bytes that are not HTTP. Without it, a peer that repeats them would keep us busy.
    refusal_pause_s: float = 1.0
    #: How slowly a peer may read: it has `read_grace_s` for each answer, and 1 s more for each `read_bytes_per_s`.
    read_grace_s: float = 20.0
    read_bytes_per_s: int = 32 * 1024

    def reading_s(self, n_bytes: int) -> float:
        """Return how many seconds a peer may take to read `n_bytes`."""
        return self.read_grace_s + n_bytes / self.read_bytes_per_s


@dataclass(slots=True)
class _Unread:
    caller: str
    n_bytes: int


class ConnectionTable:
    """The connections of one server. A method that returns a connection tells its caller to close that connection."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._address_of: dict[Hashable, str] = {}
        #: Address -> its connections, and its idle connections. The connection that is idle longest comes first.
        self._all: dict[str, set[Hashable]] = {}
        self._idle: dict[str, OrderedDict[Hashable, None]] = {}
        #: Connection -> its unread answers. The connection whose answer has waited longest comes first.
        self._unread: OrderedDict[Hashable, _Unread] = OrderedDict()
        self._n_unread_of: dict[str, int] = {}
        self._n_unread = 0

    @property
    def n_connections(self) -> int:
        """The number of connections."""
        return len(self._address_of)

    @property
    def n_unread_bytes(self) -> int:
        """The number of bytes in answers that peers have not read yet."""
        return self._n_unread

    def add_connection(self, connection: Hashable, address: str) -> Hashable | None:
        """Add a connection. If there are too many, return the one to close: an idle one, or else the new one."""
        victim: Hashable | None = None
        mine = len(self._all.get(address, ()))
        if mine >= self.limits.max_per_address and address not in self.limits.trusted_proxies:
            victim = self._longest_idle(address) or connection
        elif self.n_connections >= self.limits.max_connections:
            crowded = max(self._all, key=lambda each: len(self._all[each]))
            victim = self._longest_idle(crowded) or self._longest_idle(address) or connection
        self._address_of[connection] = address
        self._all.setdefault(address, set()).add(connection)
        self._idle.setdefault(address, OrderedDict())[connection] = None
        if victim is not None:
            self.forget_connection(victim)
        return victim

    def mark_busy(self, connection: Hashable) -> None:
        """Record that the connection has a request in work, so it is not idle."""
        self._idle.get(self._address_of.get(connection, ""), OrderedDict()).pop(connection, None)

    def mark_idle(self, connection: Hashable) -> None:
        """Record that the connection is idle from now on."""
        if (address := self._address_of.get(connection)) is not None:
            self._idle[address][connection] = None
            self._idle[address].move_to_end(connection)

    def note_unread(self, connection: Hashable, caller: str, n_bytes: int) -> Hashable | None:
        """Record that the peer has not read `n_bytes` yet. If that is too much, return the connection to close."""
        if connection not in self._address_of:
            return None
        if (held := self._unread.get(connection)) is None:
            held = self._unread[connection] = _Unread(caller, 0)
        # The first caller stays responsible: a new token on the connection must not move its bytes to another caller.
        self._count_unread(held.caller, n_bytes - held.n_bytes)
        held.n_bytes = n_bytes
        over = held.caller
        if self._n_unread_of.get(over, 0) <= self.limits.max_unread_of_caller_bytes:
            if self._n_unread <= self.limits.max_unread_bytes:
                return None
            over = max(self._n_unread_of, key=lambda each: self._n_unread_of[each])
        victim = next(each for each, unread in self._unread.items() if unread.caller == over)
        self.forget_connection(victim)
        return victim

    def note_all_read(self, connection: Hashable) -> None:
        """Record that the peer has read all of its answers."""
        if (held := self._unread.pop(connection, None)) is not None:
            self._count_unread(held.caller, -held.n_bytes)

    def forget_connection(self, connection: Hashable) -> None:
        """Remove a connection from the table. Do nothing if the table does not have it."""
        self.note_all_read(connection)
        if (address := self._address_of.pop(connection, None)) is None:
            return
        self._all[address].discard(connection)
        self._idle[address].pop(connection, None)
        if not self._all[address]:
            del self._all[address], self._idle[address]

    def _longest_idle(self, address: str) -> Hashable | None:
        return next(iter(self._idle.get(address, ())), None)

    def _count_unread(self, caller: str, n_more: int) -> None:
        self._n_unread += n_more
        left = self._n_unread_of.get(caller, 0) + n_more
        if left:
            self._n_unread_of[caller] = left
        else:
            self._n_unread_of.pop(caller, None)
