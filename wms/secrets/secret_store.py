"""Store the secrets of organizations encrypted, and say which of them a workflow's tasks may have.

    organization_secrets   {_id: "north/db-password", organization, name, value: "fernet:...", changed_at, changed_by}
    workflow_secrets       {_id: <workflow id>, organization, names}

Only a secret that was given to a workflow leaves this place, and only for the workflow's own tasks. Who gives it has
checked that the workflow belongs to the organization.
"""

from collections.abc import Collection, Mapping
from datetime import timedelta

from runtime.clock import stored_now
from runtime.kernel.store import Index, Store
from schemas.errors import Conflict, NotFound, Rejected
from schemas.ids import OrganizationId, WorkflowId
from schemas.rules.secret_names import MAX_SECRET_BYTES, MAX_SECRETS, MAX_SECRETS_BYTES, SECRET_NAME
from schemas.stored_secrets import ORGANIZATION_SECRETS, WORKFLOW_SECRETS, SecretDocument, WorkflowSecrets
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

    async def set_secret(self, organization: OrganizationId, name: str, value: str, *, by: str) -> None:
        """Store `value` under `name`. A task that starts later gets the new value.

        Raises:
            Rejected: the name or the value breaks its rule.
            Conflict: the organization has as many secrets as it may have.
            NoKey: the server has no key for secrets.
        """
        check_name(name)
        if not 0 < len(value.encode()) <= MAX_SECRET_BYTES or "\0" in value:
            raise Rejected(f"value must have 1 to {MAX_SECRET_BYTES} bytes and no NUL; store larger files elsewhere")
        key = f"{organization}/{name}"
        others = {"organization": organization, "name": {"$ne": name}}
        if await self._store.count(ORGANIZATION_SECRETS, others) >= MAX_STORED:
            raise Conflict(f"an organization has at most {MAX_STORED} secrets; delete one first")
        fields = {"organization": organization, "name": name, "value": self._keys.encrypt(value)}
        written = {**fields, "changed_at": stored_now(), "changed_by": by}
        change = {"$set": written, "$inc": {"rev": 1}}
        await self._store.bulk_update(ORGANIZATION_SECRETS, [({"_id": key}, change)], upsert=True)

    async def list_secrets(self, organization: OrganizationId) -> list[SecretDocument]:
        """Return the organization's secrets, sorted by name, with an empty `value`."""
        query = {"organization": organization}
        found = await self._store.find(ORGANIZATION_SECRETS, query, sort=[("name", 1)], projection={"value": 0})
        return [SecretDocument.model_validate({**each, "id": each["_id"], "value": ""}) for each in found]

    async def delete_secret(self, organization: OrganizationId, name: str) -> None:
        """Delete a secret. Tasks that run keep it.

        Raises:
            NotFound: there is none.
        """
        if not await self._store.delete_matching(ORGANIZATION_SECRETS, {"_id": f"{organization}/{name}"}):
            raise NotFound(f"no secret found with name: {name}")

    async def give_to_workflow(
        self, workflow_id: WorkflowId, organization: OrganizationId, names: Collection[str]
    ) -> None:
        """Let the tasks of a workflow have secrets of `organization`. Call this before the workflow is requested.

        Raises:
            Rejected: a name breaks its rule, or there are too many.
            NotFound: the organization has no such secret.
        """
        for name in names:
            check_name(name)
        if len(names) > MAX_SECRETS:
            raise Rejected(f"a job names {len(names)} secrets, and may name {MAX_SECRETS}")
        found = await self._store.distinct(
            ORGANIZATION_SECRETS, "name", {"organization": organization, "name": {"$in": sorted(names)}}
        )
        if missing := sorted(set(names) - set(found)):
            raise NotFound(f"no secret found with name: {missing[0]}")
        document = {"_id": workflow_id, "organization": organization, "names": sorted(names), "at": stored_now()}
        await self._store.insert_new(WORKFLOW_SECRETS, [document])

    async def read_values(self, workflow_id: WorkflowId, names: Collection[str]) -> dict[str, str]:
        """Return name -> value of secrets that were given to a workflow.

        Raises:
            NotFound: a secret was not given to the workflow, or was deleted since.
            NoKey, Broken: this server cannot decrypt it.
        """
        given = await self._store.find_one(WORKFLOW_SECRETS, {"_id": workflow_id})
        allowed = WorkflowSecrets.model_validate({**given, "id": workflow_id}) if given is not None else None
        values: dict[str, str] = {}
        for name in names:
            if allowed is None or name not in allowed.names:
                raise NotFound(f"the workflow was not given the secret {name[:100]!r}; only jobs give secrets to tasks")
            found = await self._store.find_one(ORGANIZATION_SECRETS, {"_id": f"{allowed.organization}/{name}"})
            if found is None:
                raise NotFound(f"the secret {name!r} was deleted; store it again, and start the job again")
            values[name] = self._keys.decrypt(found["value"])
        if sum(len(value.encode()) for value in values.values()) > MAX_SECRETS_BYTES:
            raise Rejected(f"the secrets of one task have at most {MAX_SECRETS_BYTES} bytes together; name fewer")
        return values


def check_name(name: str) -> None:
    """Raise Rejected if `name` cannot be the name of a secret."""
    if not SECRET_NAME.fullmatch(name):
        raise Rejected(f"the name of a secret must match {SECRET_NAME.pattern}; rename it")
