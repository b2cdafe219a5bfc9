"""Numbers of roles: each role on each object has its own, and it leads back to the role."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.automation.trees import TemplateKind
from tests.unit.wms.trees.template_samples import make_template
from wms.gateway.awx.shapes.role_words import (
    ROLES,
    RoleKey,
    RoleTarget,
    find_role_key,
    list_keys,
    list_template_keys,
    summarize_roles,
)

KEYS = st.builds(
    lambda word, number: RoleKey(word[0], number, word[1]),
    st.sampled_from([(target, word) for target, words in ROLES.items() for word in words]),
    st.integers(1, 10**12),
)


@given(KEYS)
def test_a_number_leads_back_to_its_role(key: RoleKey) -> None:
    assert find_role_key(key.number) == key


@given(KEYS, KEYS)
def test_two_roles_have_two_numbers(one: RoleKey, other: RoleKey) -> None:
    assert (one.number == other.number) is (one == other)


@given(st.integers(0, 10**6))
def test_any_number_names_one_role_or_none(number: int) -> None:
    key = find_role_key(number)
    assert key is None or key.number == number


def test_numbers_stay_as_they_were() -> None:
    # Clients keep them: a new role must join at the end of its list.
    assert [key.number for key in list_keys(RoleTarget.TEMPLATE, 5)] == [120, 121, 122, 123]
    assert [key.number for key in list_keys(RoleTarget.ORGANIZATION, 5)] == [128, 129, 130]
    assert [key.number for key in list_keys(RoleTarget.TEAM, 5)] == [136]


def test_only_what_can_wait_for_people_has_a_role_for_approvals() -> None:
    words = {kind: [key.word for key in list_template_keys(make_template(kind=kind))] for kind in TemplateKind}
    assert words[TemplateKind.WORKFLOW] == ["admin_role", "execute_role", "read_role", "approval_role"]
    assert words[TemplateKind.JOB] == ["admin_role", "execute_role", "read_role"]
    assert words[TemplateKind.APPROVAL] == []
    summary = summarize_roles(list_template_keys(make_template()), "workflow_job_template")
    assert summary["execute_role"]["description"] == "May run the workflow job template"
