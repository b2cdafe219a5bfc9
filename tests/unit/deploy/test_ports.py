"""Ports that are free, and that no outgoing connection takes in the meantime."""

from pathlib import Path

from deploy.local.ports import free_ports


def test_ports_are_distinct_and_below_the_kernels_own_range() -> None:
    ports = free_ports(50)
    assert len(set(ports)) == 50
    ephemeral_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(1024 <= port < ephemeral_from for port in ports)
