"""Who acts on a process, and with which pages of its form, as user code gets it. (core)"""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.questions.step_code import ActingUser
from wms.tenancy.rights import Principal

#: The pages of a form, each by field.
Pages = Sequence[Mapping[str, Any]]


def make_acting_user(principal: Principal) -> ActingUser:
    """Return `principal` in the form that user code gets."""
    return ActingUser(name=principal.subject, roles=tuple(sorted(principal.every_role)))
