"""A role in an organization replaces only weaker ones."""

import pytest

from schemas.errors import Rejected
from wms.gateway.awx.people.role_holders import check_promotion
from wms.tenancy.rights import TenancyRole

RANKED = [TenancyRole.ORG_MEMBER, TenancyRole.ORG_AUDITOR, TenancyRole.ORG_ADMIN]


@pytest.mark.parametrize("role", RANKED)
@pytest.mark.parametrize("held", RANKED)
def test_a_user_keeps_a_stronger_role(held: TenancyRole, role: TenancyRole) -> None:
    check_promotion([], role, "north")
    if RANKED.index(held) <= RANKED.index(role):
        check_promotion([held], role, "north")
        return
    with pytest.raises(Rejected) as refused:
        check_promotion([held], role, "north")
    assert held.value.removeprefix("org-") in refused.value.reason
    assert "first" in refused.value.hint
