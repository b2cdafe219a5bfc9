"""Who may do what to a task of ada's in the organization north: C5, C6, C26 to C28 as data.

A cell has a sign for each of see, run, change, share, approve:  + may   - may not: 403   0 does not see the task: 404
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas.automation.catalogue import TaskVisibility
from schemas.ids import OrganizationId
from wms.tenancy.rights import RIGHTS, Action, Principal, TenancyRole

ACTIONS = (Action.SEE_TASK, Action.RUN_TASK, Action.CHANGE_TASK, Action.SHARE_TASK, Action.APPROVE_TASK)
_CODES = {"+": 200, "-": 403, "0": 404}

#: Name -> the caller, as `<subject>` or `<subject>/<organization>/<role>`.
CALLERS: Mapping[str, str] = {
    "owner": "ada/north/member",
    "former owner": "ada/south/member",
    "member": "bob/north/member",
    "auditor": "carl/north/auditor",
    "admin": "dora/north/admin",
    "superuser": "root",
    "system auditor": "watch",
    "member of south": "eve/south/member",
    "auditor of south": "fred/south/auditor",
    "admin of south": "gina/south/admin",
    "nobody": "hal",
}

#: Visibility and roles -> caller -> the cell.
MATRIX: Mapping[tuple[str, tuple[str, ...]], Mapping[str, str]] = {
    ("private", ()): {
        "owner": "+++--",
        "former owner": "00000",
        "member": "00000",
        "auditor": "+----",
        "admin": "+++++",
        "superuser": "+++++",
        "system auditor": "+----",
        "member of south": "00000",
        "auditor of south": "00000",
        "admin of south": "00000",
        "nobody": "00000",
    },
    ("roles", ("org-member",)): {
        "owner": "+++--",
        "former owner": "00000",
        "member": "++---",
        "auditor": "+----",
        "admin": "+++++",
        "superuser": "+++++",
        "system auditor": "+----",
        "member of south": "00000",
        "auditor of south": "00000",
        "admin of south": "00000",
        "nobody": "00000",
    },
    ("roles", ("org-auditor",)): {
        "owner": "+++--",
        "former owner": "00000",
        "member": "00000",
        "auditor": "++---",
        "admin": "+++++",
        "superuser": "+++++",
        "system auditor": "+----",
        "member of south": "00000",
        "auditor of south": "00000",
        "admin of south": "00000",
        "nobody": "00000",
    },
    ("public", ()): {
        "owner": "+++--",
        "former owner": "++---",
        "member": "++---",
        "auditor": "+----",
        "admin": "+++++",
        "superuser": "+++++",
        "system auditor": "+----",
        "member of south": "++---",
        "auditor of south": "+----",
        "admin of south": "++---",
        "nobody": "00000",
    },
}


@dataclass(frozen=True)
class Cell:
    """One caller's right to one action on a task of one visibility."""

    visibility: TaskVisibility
    roles: tuple[str, ...]
    caller: str
    action: Action
    code: int

    def __str__(self) -> str:
        shared = "+".join((self.visibility.value, *self.roles))
        return f"{shared}: {self.caller}: {self.action}"

    @property
    def code_at_the_door(self) -> int:
        """The code over REST. The door refuses roles that may do this to no task, whether there is one or not."""
        held = make_principal(self.caller).every_role
        action = Action.SEE_TASK if self.action is Action.RUN_TASK else self.action
        return 403 if RIGHTS[action].isdisjoint(held) else self.code


def list_cells() -> Iterator[Cell]:
    """Yield all cells."""
    for (visibility, roles), row in MATRIX.items():
        for caller, signs in row.items():
            for action, sign in zip(ACTIONS, signs, strict=True):
                yield Cell(TaskVisibility(visibility), roles, caller, action, _CODES[sign])


def make_principal(caller: str) -> Principal:
    """Return the principal with this name in `CALLERS`."""
    subject, _, place = CALLERS[caller].partition("/")
    system = {"root": TenancyRole.SUPERUSER, "watch": TenancyRole.SYSTEM_AUDITOR}.get(subject)
    if not place:
        return Principal(subject, frozenset({system}) if system else frozenset())
    organization, _, role = place.partition("/")
    return Principal(subject, roles={OrganizationId(organization): frozenset({TenancyRole(f"org-{role}")})})
