"""A role in an organization replaces only weaker ones, and the dialect says so in its words."""

import pytest

from wms.gateway.awx.people.role_holders import explain_promotion
from wms.tenancy.rights import HasStrongerRole, TenancyRole, check_promotion

RANKED = [TenancyRole.ORG_MEMBER, TenancyRole.ORG_AUDITOR, TenancyRole.ORG_ADMIN]


@pytest.mark.parametrize("role", RANKED)
@pytest.mark.parametrize("held", RANKED)
def test_a_user_keeps_a_stronger_role(held: TenancyRole, role: TenancyRole) -> None:
    if RANKED.index(held) <= RANKED.index(role):
        check_promotion(held, role, "north")
        return
    with pytest.raises(HasStrongerRole) as refused:
        check_promotion(held, role, "north")
    assert f"{role}: it has {held} in the organization 'north'" in refused.value.reason
    assert refused.value.hint == f"take {held} first, then give {role}"
    words = explain_promotion(refused.value.held, role, "north")
    assert held.value.replace("org-", "") in words.reason
    assert "first" in words.hint
