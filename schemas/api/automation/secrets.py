"""The bodies of the routes of an organization's secrets. No answer has a value."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from schemas.automation.jobs import MAX_JOB_TASKS
from schemas.automation.stored_secrets import SecretUsers
from schemas.fleet.objects import Object
from schemas.rules.secret_names import MAX_SECRET_BYTES, SECRET_NAME
from schemas.stored_enum import check_known

KnownSecretUsers = Annotated[
    SecretUsers,
    AfterValidator(check_known),
    Field(
        json_schema_extra={"enum": [*SecretUsers]},
        description="Who may give it to the tasks of a job: `admins` of its organization, or its `members`, too.",
    ),
]


class SecretRequest(Object):
    """The value of a secret. No REST route returns it."""

    value: SecretStr = Field(
        min_length=1, max_length=MAX_SECRET_BYTES, description=f"Text of at most {MAX_SECRET_BYTES} bytes in UTF-8."
    )
    open_to: KnownSecretUsers | None = Field(None, description="Absent: as it is; `admins` for a new secret.")


class SecretSeen(Object):
    """A secret, without its value."""

    name: str
    open_to: SecretUsers
    changed_at: datetime
    changed_by: str


class SecretNamesAnswer(Object):
    """An organization's secrets, sorted by name."""

    secrets: list[SecretSeen]


class SecretNamed(Object):
    """A secret that tasks of a job get, and the file in which they find it."""

    name: str = Field(pattern=f"^{SECRET_NAME.pattern}$")
    file: str | None = Field(
        None,
        pattern=f"^{SECRET_NAME.pattern}$",
        description="The file's name in `$EWMS_TASK_SECRETS_DIR`; absent: the secret's name.",
    )
    tasks: tuple[Annotated[int, Field(strict=True, ge=1, le=2**53)], ...] | None = Field(
        None,
        min_length=1,
        max_length=MAX_JOB_TASKS,
        description="The tasks of the job that get it, by their ids; absent: all of them.",
    )
