"""The question of a TMS to WMS for the secrets of a taskforce. Like tokens, their values are never in an event."""

from typing import Literal

from pydantic import SecretStr

from schemas.ids import TaskforceUuid, WorkflowId
from schemas.questions.bases import Answer, WmsQuestion


class SecretsQuery(WmsQuestion):
    """A TMS wants the secrets that the task of a taskforce names. Only the TMS that starts it gets an answer."""

    kind: Literal["secrets"] = "secrets"
    workflow_id: WorkflowId
    taskforce_uuid: TaskforceUuid
    names: tuple[str, ...]


class SecretsAnswer(Answer):
    """The value of each secret, by name."""

    kind: Literal["secrets"] = "secrets"
    values: dict[str, SecretStr]
