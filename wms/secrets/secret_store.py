"""Store the secrets of organizations encrypted, and say which of them a workflow's tasks may have.

    organization_secrets   {_id: "north/db-password", organization, name, value: "fernet:...", open_to}
    workflow_secrets       {_id: <workflow id>, organization, files: [{name: "db-password", file: "password"}]}

Only a secret that was given to a workflow leaves this place, and only for the workflow's own tasks. Who gives it has
checked that the workflow belongs to the organization. The gift is stored in the transaction that stores the workflow.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from runtime.clock import stored_now
from runtime.kernel.decision import Decision, Delete, Insert, Update
from runtime.kernel.store import Index, Store, Transaction
from schemas.automation.stored_secrets import (
    ORGANIZATION_SECRETS,
    WORKFLOW_SECRETS,
    SecretDocument,
    SecretFile,
    SecretUsers,
    WorkflowSecrets,
)
from schemas.errors import Conflict, NotFound, Rejected
from schemas.ids import OrganizationId, WorkflowId
from schemas.rules.secret_names import MAX_SECRET_BYTES, MAX_SECRETS_BYTES, check_secret_name
from wms.audit.audit_facts import NOT_SHOWN, AuditFacts
from wms.audit.audit_log import AuditLog
from wms.encryption import SecretKeys

#: The most secrets of one organization.
MAX_STORED = 1000


INDEXES: Mapping[str, tuple[Index, ...]] = {
    ORGANIZATION_SECRETS: (Index(("organization", "name"), unique=True),),
    # A taskforce asks for its secrets at its start only.
    WORKFLOW_SECRETS: (Index(("at",), expire_after=timedelta(days=90)),),
}


class SecretStore:
    """The secrets of one database."""

    def __init__(self, store: Store, keys: SecretKeys) -> None:
        self._store = store
        self._keys = keys
        self._audit = AuditLog(store)

    async def set_secret(
        self, organization: OrganizationId, name: str, value: str, *, open_to: SecretUsers | None = None, by: str
    ) -> None:
        """Store `value` under `name`. A task that starts later gets the new value.

        Without `open_to` the secret stays open to whom it was; a new one is open to admins.

        Raises:
            Rejected: the name or the value breaks its rule.
            Conflict: the organization has as many secrets as it may have.
            NoKey: the server has no key for secrets.
        """
        check_secret_name(name)
        if not 0 < len(value.encode()) <= MAX_SECRET_BYTES or "\0" in value:
            raise Rejected(f"value must have 1 to {MAX_SECRET_BYTES} bytes and no NUL; store larger files elsewhere")
        key, encrypted = f"{organization}/{name}", self._keys.encrypt(value)
        others = {"organization": organization, "name": {"$ne": name}}
        if await self._store.count(ORGANIZATION_SECRETS, others) >= MAX_STORED:
            raise Conflict(f"an organization has at most {MAX_STORED} secrets; delete one first")

        async def step(tx: Transaction) -> Decision:
            before = await tx.find_one(ORGANIZATION_SECRETS, {"_id": key}, {"value": 0})
            known = None if before is None else SecretUsers(before.get("open_to", SecretUsers.ADMINS))
            users = open_to or known or SecretUsers.ADMINS
            fields = {"value": encrypted, "open_to": users.value, "changed_at": stored_now(), "changed_by": by}
            facts = _describe_act("create" if known is None else "update", organization, name, known, users)
            rows = await self._audit.make_inserts(by, [facts])
            if before is None:
                named = {"_id": key, "organization": organization, "name": name, "rev": 0}
                return Decision(changes=(Insert(ORGANIZATION_SECRETS, {**named, **fields}), *rows))
            return Decision(changes=(Update(ORGANIZATION_SECRETS, key, set=fields, rev=before["rev"]), *rows))

        await self._store.transact(step)

    async def list_secrets(self, organization: OrganizationId) -> list[SecretDocument]:
        """Return the organization's secrets, sorted by name, with an empty `value`."""
        query = {"organization": organization}
        found = await self._store.find(ORGANIZATION_SECRETS, query, sort=[("name", 1)], projection={"value": 0})
        return [SecretDocument.model_validate({**each, "id": each["_id"], "value": ""}) for each in found]

    async def find_open(self, organization: OrganizationId, names: Collection[str]) -> Mapping[str, SecretUsers]:
        """Return for each of the names that the organization has to whom the secret is open."""
        found = await self._store.find(
            ORGANIZATION_SECRETS,
            {"organization": organization, "name": {"$in": sorted(names)}},
            projection={"name": 1, "open_to": 1},
        )
        return {each["name"]: SecretUsers(each.get("open_to", SecretUsers.ADMINS)) for each in found}

    async def delete_secret(self, organization: OrganizationId, name: str, *, by: str) -> None:
        """Delete a secret. Tasks that run keep it.

        Raises:
            NotFound: there is none.
        """
        key = f"{organization}/{name}"

        async def step(tx: Transaction) -> Decision:
            if await tx.find_one(ORGANIZATION_SECRETS, {"_id": key}, {"_id": 1}) is None:
                raise make_absence(name)
            rows = await self._audit.make_inserts(by, [_describe_act("delete", organization, name)])
            return Decision(changes=(Delete(ORGANIZATION_SECRETS, key), *rows))

        await self._store.transact(step)

    async def make_gift(
        self, tx: Transaction, workflow_id: WorkflowId, organization: OrganizationId, files: Sequence[SecretFile]
    ) -> Insert:
        """Return what lets the tasks of a new workflow have secrets of `organization`. Store it with the workflow.

        Raises:
            NotFound: the organization has no such secret.
        """
        for name in sorted({each.name for each in files}):
            if await tx.find_one(ORGANIZATION_SECRETS, {"_id": f"{organization}/{name}"}, {"_id": 1}) is None:
                raise make_absence(name)
        gift = WorkflowSecrets(id=workflow_id, organization=organization, files=tuple(files), at=stored_now())
        document = gift.model_dump()
        return Insert(WORKFLOW_SECRETS, {"_id": document.pop("id"), **document})

    async def read_values(self, workflow_id: WorkflowId, files: Collection[str]) -> dict[str, str]:
        """Return file -> value of the secrets that were given to a workflow under these names of files.

        Raises:
            NotFound: a secret was not given to the workflow, or was deleted since.
            NoKey, Broken: this server cannot decrypt it.
        """
        given = await self._store.find_one(WORKFLOW_SECRETS, {"_id": workflow_id})
        gift = WorkflowSecrets.model_validate({**given, "id": workflow_id}) if given is not None else None
        names = {} if gift is None else {each.file: each.name for each in gift.files}
        values: dict[str, str] = {}
        for file in files:
            if gift is None or file not in names:
                raise NotFound(f"the workflow was not given the secret {file[:100]!r}; only jobs give secrets to tasks")
            name = names[file]
            found = await self._store.find_one(ORGANIZATION_SECRETS, {"_id": f"{gift.organization}/{name}"})
            if found is None:
                raise NotFound(f"the secret {name!r} was deleted; store it again, and start the job again")
            values[file] = self._keys.decrypt(found["value"])
        if sum(len(value.encode()) for value in values.values()) > MAX_SECRETS_BYTES:
            raise Rejected(f"the secrets of one task have at most {MAX_SECRETS_BYTES} bytes together; name fewer")
        return values


def make_absence(name: str) -> NotFound:
    """Return the error about a secret that an organization does not have."""
    return NotFound(f"no secret found with name: {name}", hint="list them: ewms secret list --organization NAME")


def _describe_act(
    operation: str,
    organization: OrganizationId,
    name: str,
    before: SecretUsers | None = None,
    after: SecretUsers | None = None,
) -> AuditFacts:
    """Return the row of a change of a secret. `before` and `after` say to whom it is open."""
    changes: dict[str, list[str | None]] = {} if after is None else {"value": [NOT_SHOWN, NOT_SHOWN]}
    if before is not after:
        changes["open_to"] = [before, after]
    return AuditFacts(
        operation=operation, kind="secret", object_id=0, name=name, organization=organization, changes=changes
    )
