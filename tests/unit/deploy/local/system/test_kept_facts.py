"""What a data directory says of itself is read whole or not at all, and older servers do not touch newer data."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.errors import LaunchError
from deploy.local.system.kept_facts import FORMAT, KeptFacts, check_versions

PORTS = st.dictionaries(st.text(max_size=12), st.integers(1, 65535), max_size=12)
WORDS = st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=4)


@given(
    st.builds(
        KeptFacts,
        folder=st.text(),
        pool=st.sampled_from(["condor", "local", None]),
        is_in_use=st.booleans(),
        versions=WORDS,
        ports=PORTS,
    )
)
def test_facts_come_back_as_they_were_kept(facts: KeptFacts) -> None:
    assert KeptFacts.from_bytes(facts.to_bytes()) == facts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[]", "not EWMS's"),
        ("{}", "not EWMS's"),
        (json.dumps({"format": FORMAT + 1}), "newer EWMS"),
        (json.dumps({"format": FORMAT, "ports": {"amqp": "5672"}}), "invalid"),
        (json.dumps({"format": FORMAT, "ports": {"amqp": 70000}}), "invalid"),
        (json.dumps({"format": FORMAT, "versions": []}), "invalid"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        KeptFacts.from_bytes(text.encode())


@pytest.mark.parametrize(
    ("kept", "installed"),
    [
        ({}, {"rabbitmq": "4.3.6"}),
        ({"rabbitmq": "4.3.6"}, {"rabbitmq": "4.3.6"}),
        ({"rabbitmq": "4.3.9"}, {"rabbitmq": "4.3.6"}),
        ({"rabbitmq": "4.3.6", "apptainer": "2.0"}, {"rabbitmq": "4.3.9", "apptainer": "1.4"}),
        ({"htcondor": "25.14.1"}, {"mongod": "6.0.5"}),
    ],
)
def test_servers_that_read_the_data_say_nothing(kept: dict[str, str], installed: dict[str, str]) -> None:
    assert check_versions(kept, installed, where="/data") == []


def test_newer_servers_are_told_of_and_older_ones_refused() -> None:
    (sentence,) = check_versions({"mongod": "6.0.5"}, {"mongod": "7.0.1"}, where="/data")
    assert "MongoDB 7.0.1 takes over the data of 6.0.5" in sentence
    with pytest.raises(LaunchError, match=r"RabbitMQ 4\.10\.0 wrote the data in /data, and the installed 4\.3\.6 "):
        check_versions({"rabbitmq": "4.10.0"}, {"rabbitmq": "4.3.6"}, where="/data")
