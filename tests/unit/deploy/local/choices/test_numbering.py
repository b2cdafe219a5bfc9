import pytest

from deploy.local.choices.launch_options import SCHEDD, SECOND_SCHEDD, read_launch_options
from deploy.local.choices.numbering import count_instances, number_names
from deploy.local.errors import LaunchError
from deploy.local.servers.mongo_accounts import mongo_url
from deploy.local.system.kept_facts import KeptFacts, choose_node_count


def test_the_first_of_several_keeps_its_name() -> None:
    assert number_names(["a", "b"], 1) == ["a", "b"]
    assert number_names(["a", "b"], 3) == ["a", "b", "a-2", "b-2", "a-3", "b-3"]


def test_three_nodes_mean_two_of_each_service() -> None:
    assert (count_instances(1), count_instances(3)) == (1, 2)


@pytest.mark.parametrize(
    ("asked", "kept", "expected"), [(None, None, 1), (3, None, 3), (None, 3, 3), (3, 3, 3), (None, 1, 1)]
)
def test_data_keep_their_number_of_nodes(asked: int | None, kept: int | None, expected: int) -> None:
    assert choose_node_count(asked, kept, where="/data") == expected


@pytest.mark.parametrize(("asked", "kept"), [(1, 3), (3, 1)])
def test_data_of_another_number_of_nodes_are_refused_with_a_remedy(asked: int, kept: int) -> None:
    with pytest.raises(LaunchError) as refused:
        choose_node_count(asked, kept, where="/data")
    assert f"NODES={kept}" in refused.value.what
    assert "FRESH=1" in refused.value.remedy


def test_data_of_an_earlier_launcher_have_one_node() -> None:
    assert KeptFacts.from_bytes(b'{"format": 1, "is_in_use": true}').n_nodes == 1
    assert KeptFacts.from_bytes(b'{"format": 1, "is_in_use": false}').n_nodes is None
    assert KeptFacts.from_bytes(b'{"format": 1, "is_in_use": true, "n_nodes": 3}').n_nodes == 3


def test_the_second_access_point_is_a_location_of_its_own() -> None:
    one, several = read_launch_options({}), read_launch_options({}, n_nodes=3)
    assert one.schedds == [SCHEDD]
    assert several.schedds == [SCHEDD, SECOND_SCHEDD]
    assert several.clusters["local-2"] == {"schedd": SECOND_SCHEDD}
    assert {"local", "local-2"} <= set(several.own_locations)


def test_an_address_of_the_database_names_each_member() -> None:
    assert mongo_url(20_001, None, [20_002, 20_003]).startswith(
        "mongodb://127.0.0.1:20001,127.0.0.1:20002,127.0.0.1:20003/"
    )
