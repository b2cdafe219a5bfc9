"""Ports that are free, and that no outgoing connection takes in the meantime."""

import os
import socket
import threading
from pathlib import Path

import pytest

from deploy.local.choices.ports import Ports, find_holder, free_ports
from deploy.local.errors import LaunchError


def test_ports_are_distinct_and_below_the_kernels_own_range() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    ephemeral_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(1024 <= port < ephemeral_from for port in ports)


def test_the_ports_of_the_launch_before_are_taken_again_and_new_ones_where_it_had_none() -> None:
    before = Ports()
    first = before.take_ports(("amqp", "management"))
    assert len(set(first.values())) == 2
    again = Ports(before.current, asked={"gateway": 20_077}, are_given_out=True)
    assert again.take_ports(("amqp", "management")) == first
    assert again.take_ports(("amqp", "jwks"))["jwks"] not in first.values()
    assert again.take_one("gateway") == 20_077


def test_a_port_that_users_know_is_not_given_up_and_its_holder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.choices.ports._PREDECESSOR_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(LaunchError, match=rf"port {port}, .*amqp.*process {os.getpid()} ") as raised:
            Ports({"amqp": port}, are_given_out=True).take_one("amqp")
    assert "EWMS_AMQP_PORT" in raised.value.remedy


def test_a_holder_that_ends_during_the_look_is_not_said_to_be_of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = iter([{"socket:[1]"}, set()])
    monkeypatch.setattr("deploy.local.choices.ports._listening_sockets", lambda _: next(sockets))
    assert find_holder(1) == "another process"
    sockets = iter([{"socket:[1]"}, {"socket:[1]"}])
    assert find_holder(1) == "a process of another user"


def test_another_port_is_taken_with_a_word_where_nobody_was_given_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.choices.ports._PREDECESSOR_S", 0.1)
    words: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        assert Ports({"mongodb": port}, are_given_out=True, report=words.append).take_one("mongodb") != port
        assert Ports({"amqp": port}, report=words.append).take_one("amqp") != port
    assert words[0].startswith(f"process {os.getpid()} ")
    assert [f" uses port {port} (mongodb)" in words[0], len(words)] == [True, 2]


def test_a_port_is_waited_for_that_is_free_in_a_moment() -> None:
    stranger = socket.create_server(("127.0.0.1", 0))
    port = stranger.getsockname()[1]
    closing = threading.Timer(0.2, stranger.close)
    closing.start()
    assert Ports({"amqp": port}, are_given_out=True).take_one("amqp") == port
    closing.join()
