"""Ports that the caller names are looked at before anything is started."""

import socket

from deploy.local.choices.ports import free_ports, why_unavailable


def test_a_port_that_somebody_listens_on_is_unavailable_and_the_reason_is_told() -> None:
    (port,) = free_ports(1)
    assert why_unavailable(port) == ""
    with socket.create_server(("127.0.0.1", port)):
        assert "in use" in why_unavailable(port)
    assert why_unavailable(port) == ""


def test_a_port_just_left_behind_is_available_so_that_a_restart_gets_its_own_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            # The side that closes first keeps the port in TIME_WAIT.
            server.accept()[0].close()
    assert why_unavailable(port) == ""
