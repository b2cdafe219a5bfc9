"""(core) The nodes of a broker: the name of each, and how it finds the others.

    one node        ewms@localhost                                            listens for no other node
    three nodes     ewms@127.0.0.1  ewms@127.0.0.2  ewms@127.0.0.3            each at the same port of its own address

Erlang's nodes usually find each other by a port mapper, which names their ports to every process of the machine. Ours
need none: all nodes of a broker listen at one port number, each on an address of loopback of its own. A node lets in
only a node that knows the broker's cookie.
"""

from dataclasses import dataclass

from deploy.local.choices.numbering import number_suffix


@dataclass(frozen=True, slots=True)
class BrokerNode:
    """One node of a broker of `n_nodes`. `number` counts from 1. All nodes listen for each other at `port`."""

    number: int = 1
    n_nodes: int = 1
    port: int = 0

    @property
    def is_alone(self) -> bool:
        """Whether the broker has no other node."""
        return self.n_nodes == 1

    @property
    def suffix(self) -> str:
        """What the names of this node's ports, files and logs end with: "" for the first node, "-2" for the second."""
        return number_suffix(self.number)

    @property
    def address(self) -> str:
        """The address of loopback at which this node listens for the others."""
        return f"127.0.0.{self.number}"

    @property
    def name(self) -> str:
        """The node's name."""
        return "ewms@localhost" if self.is_alone else f"ewms@{self.address}"

    @property
    def erlang_arguments(self) -> str:
        """The options of Erlang that name the node and say how it reaches the others.

        By default Erlang opens a port for other nodes, where a process with the cookie can run code, and starts a port
        mapper. A broker of one node needs neither. RabbitMQ asks for its own port once; `erl_epmd_port` answers instead
        of the mapper. In a broker of several nodes this option is the port of all nodes.
        """
        if self.is_alone:
            return f"-start_epmd false -sname {self.name} -dist_listen false -erl_epmd_port 1"
        interface = "{" + self.address.replace(".", ",") + "}"
        return (
            f"-start_epmd false -name {self.name} -erl_epmd_port {self.port} "
            f"-kernel inet_dist_use_interface {interface}"
        )

    @property
    def helper_arguments(self) -> str:
        """The options of the helper through which a new node asks the others who they are. Nothing connects to it."""
        return f"-start_epmd false -erl_epmd_port {self.port} -dist_listen false"

    @property
    def settings(self) -> str:
        """The lines of rabbitmq.conf with which the node joins the others; "" without others."""
        if self.is_alone:
            return ""
        nodes = [BrokerNode(number, self.n_nodes, self.port).name for number in range(1, self.n_nodes + 1)]
        lines = [f"cluster_formation.classic_config.nodes.{place} = {name}" for place, name in enumerate(nodes, 1)]
        return "\n".join(
            [
                "cluster_formation.peer_discovery_backend = classic_config",
                *lines,
                # Spread the leaders of queues over the nodes. Clients declare queues with no argument for this.
                "queue_leader_locator = balanced",
                "",
            ]
        )


def list_nodes(n_nodes: int, port: int) -> list[BrokerNode]:
    """Return the nodes of a broker, which find each other at `port`."""
    return [BrokerNode(number, n_nodes, port) for number in range(1, n_nodes + 1)]
