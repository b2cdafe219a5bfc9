"""The stored secrets of organizations, and which of them the tasks of a workflow may have."""

from datetime import datetime

from schemas.ids import OrganizationId, WorkflowId
from schemas.registry import register_collection
from schemas.runs import RunModel


class SecretDocument(RunModel):
    """A stored secret."""

    id: str
    organization: OrganizationId
    name: str
    #: Encrypted by `SecretKeys`.
    value: str
    changed_at: datetime
    changed_by: str
    #: Grows with each change.
    rev: int = 0


ORGANIZATION_SECRETS = register_collection("organization_secrets", SecretDocument)


class WorkflowSecrets(RunModel):
    """The secrets that the tasks of one workflow may have."""

    id: WorkflowId
    organization: OrganizationId
    names: tuple[str, ...]
    at: datetime


WORKFLOW_SECRETS = register_collection("workflow_secrets", WorkflowSecrets)
