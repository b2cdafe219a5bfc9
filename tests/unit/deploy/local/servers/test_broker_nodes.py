"""The nodes of a broker find each other, and nothing else finds them."""

from deploy.local.servers.broker_nodes import BrokerNode, list_nodes


def test_a_node_alone_listens_for_no_other_node() -> None:
    alone = BrokerNode()
    assert (alone.name, alone.settings, alone.suffix) == ("ewms@localhost", "", "")
    assert "-dist_listen false" in alone.erlang_arguments


def test_all_nodes_have_one_port_on_addresses_of_their_own() -> None:
    nodes = list_nodes(3, 21_000)
    assert [node.name for node in nodes] == ["ewms@127.0.0.1", "ewms@127.0.0.2", "ewms@127.0.0.3"]
    assert [node.suffix for node in nodes] == ["", "-2", "-3"]
    for number, node in enumerate(nodes, 1):
        assert "-erl_epmd_port 21000 " in node.erlang_arguments
        assert f"inet_dist_use_interface {{127,0,0,{number}}}" in node.erlang_arguments
        assert "-start_epmd false" in node.erlang_arguments


def test_each_node_knows_all_nodes() -> None:
    (settings,) = {node.settings for node in list_nodes(3, 21_000)}
    for number in (1, 2, 3):
        assert f"classic_config.nodes.{number} = ewms@127.0.0.{number}\n" in settings


def test_nothing_can_connect_to_the_helper_of_a_joining_node() -> None:
    assert "-dist_listen false" in list_nodes(3, 21_000)[1].helper_arguments
