"""Notifications do not reach the machine itself or its link, however the address is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.rules.address_kinds import is_local
from wms.notifications.sending.address_rules import ForbiddenAddress, check_address


@pytest.mark.parametrize(
    ("address", "forbidden"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("0.0.0.0", True),
        ("0.1.2.3", True),
        ("169.254.169.254", True),
        ("224.0.0.1", True),
        ("::1", True),
        ("::", True),
        ("fe80::1", True),
        ("fe80::1%eth0", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:169.254.169.254", True),
        ("64:ff9b::7f00:1", True),
        ("2002:7f00:1::", True),
        ("localhost", True),
        ("", True),
        ("10.1.2.3", False),
        ("192.168.1.1", False),
        ("93.184.216.34", False),
        ("2606:2800:220:1::1", False),
        ("::ffff:93.184.216.34", False),
    ],
)
def test_an_address_is_forbidden_or_not(address: str, forbidden: bool) -> None:
    assert is_local(address) is forbidden


@given(st.ip_addresses(v=4))
def test_an_address_within_another_counts_like_itself(address: object) -> None:
    assert is_local(f"::ffff:{address}") == is_local(str(address))


def test_a_refusal_names_the_host_the_rule_and_the_setting() -> None:
    with pytest.raises(ForbiddenAddress) as caught:
        check_address("127.0.0.1", "evil.example.org", allows_local=False)
    assert "evil.example.org" in caught.value.reason
    assert "EWMS_NOTIFICATIONS_TO_LOCAL_HOSTS" in caught.value.hint
    check_address("127.0.0.1", "localhost", allows_local=True)
