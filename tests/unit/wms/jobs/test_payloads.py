"""Payloads: what a container gets as its last argument, and how large that may be."""

import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.automation.jobs import MAX_PAYLOAD_BYTES
from schemas.errors import Rejected, TooLarge
from tests.unit.wms.jobs.making import make_job_host
from wms.jobs.plans.payloads import (
    check_payload_sizes,
    check_variable_names,
    dump_json,
    make_host_payload,
    make_inventory_payload,
)


def test_c21_r1_a_host_payload_has_the_host_and_the_variables_of_the_job() -> None:
    host = make_job_host(labels=("prod",), groups=("web",), variables='{"rack":7}')
    assert json.loads(make_host_payload(host, '{"version":"1.2"}')) == {
        "host": {"name": "web1", "labels": ["prod"], "groups": ["web"], "vars": {"rack": 7}},
        "version": "1.2",
    }


def test_c21_r1_an_inventory_payload_has_all_hosts_groups_and_variables() -> None:
    hosts = [make_job_host("web1", 0, groups=("web",)), make_job_host("db1", 1, groups=("db", "web"))]
    payload = json.loads(make_inventory_payload(hosts, '{"tier":"none"}', '{"deep":true}'))
    assert [host["name"] for host in payload["hosts"]] == ["web1", "db1"]
    assert payload["groups"] == {"web": ["web1", "db1"], "db": ["db1"]}
    assert (payload["vars"], payload["deep"]) == ({"tier": "none"}, True)


@pytest.mark.parametrize("name", ["host", "hosts", "groups", "vars"])
def test_c21_a_variable_cannot_hide_the_inventory(name: str) -> None:
    with pytest.raises(Rejected, match=name):
        check_variable_names({"x": 1, name: 2})


def test_r4_the_largest_payload_is_an_argument_that_linux_takes_and_one_byte_more_is_refused() -> None:
    check_payload_sizes([("web1", b"x" * MAX_PAYLOAD_BYTES)])
    with pytest.raises(Rejected, match="web1 has 131072 bytes"):
        check_payload_sizes([("web1", b"x" * (MAX_PAYLOAD_BYTES + 1))])
    # The rule is the kernel's, so ask it: with the NUL at its end, an argument may have 128 KiB.
    subprocess.run(["/bin/true", "x" * MAX_PAYLOAD_BYTES], check=True)
    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["/bin/true", "x" * (MAX_PAYLOAD_BYTES + 1)], check=True)


def test_all_payloads_of_a_job_have_a_limit_together() -> None:
    one = b"x" * MAX_PAYLOAD_BYTES
    check_payload_sizes(("h", one) for _ in range(512))
    with pytest.raises(TooLarge, match="more than"):
        check_payload_sizes(("h", one) for _ in range(513))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON)
def test_c22_a_payload_is_one_argument_whatever_the_variables_are(value: object) -> None:
    payload = make_host_payload(make_job_host(variables=dump_json({"v": value})), dump_json({"w": value}))
    assert b"\0" not in payload
    read = json.loads(payload)
    assert read["host"]["vars"]["v"] == value
    assert read["w"] == value
