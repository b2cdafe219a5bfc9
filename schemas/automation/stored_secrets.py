"""The stored secrets of organizations, and which of them the tasks of a workflow may have."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, model_validator

from schemas.engine.runs import RunModel
from schemas.ids import CatalogueTaskId, OrganizationId, WorkflowId
from schemas.registry import register_collection
from schemas.stored_enum import StoredEnum


class SecretUsers(StoredEnum):
    """Who may give a secret to the tasks of a job."""

    #: The admins of its organization.
    ADMINS = "admins"
    #: Its members, too.
    MEMBERS = "members"


class SecretDocument(RunModel):
    """A stored secret."""

    id: str
    organization: OrganizationId
    name: str
    #: Encrypted by `SecretKeys`.
    value: str
    open_to: SecretUsers = SecretUsers.ADMINS
    changed_at: datetime
    changed_by: str
    #: Grows with each change.
    rev: int = 0


ORGANIZATION_SECRETS = register_collection("organization_secrets", SecretDocument)


class SecretFile(RunModel):
    """A secret that tasks of a job get, and the name of the file in which they find it."""

    name: str
    file: str
    #: The tasks that get it; None: all tasks of the job.
    tasks: Annotated[tuple[CatalogueTaskId, ...], Field(min_length=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _name_file(cls, given: Any) -> Any:
        """Without another name, the file is named as the secret."""
        return {"file": given.get("name"), **given} if isinstance(given, dict) else given

    def is_for(self, task: CatalogueTaskId) -> bool:
        """Return whether this task of the job gets the secret."""
        return self.tasks is None or task in self.tasks


class WorkflowSecrets(RunModel):
    """The secrets that the tasks of one workflow may have."""

    id: WorkflowId
    organization: OrganizationId
    files: tuple[SecretFile, ...]
    at: datetime


WORKFLOW_SECRETS = register_collection("workflow_secrets", WorkflowSecrets)
