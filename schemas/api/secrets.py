"""The bodies of the routes of an organization's secrets. No answer has a value."""

from datetime import datetime

from pydantic import Field, SecretStr

from schemas.objects import Object
from schemas.rules.secret_names import MAX_SECRET_BYTES


class SecretRequest(Object):
    """The value of a secret. No REST route returns it."""

    value: SecretStr = Field(
        min_length=1, max_length=MAX_SECRET_BYTES, description=f"Text of at most {MAX_SECRET_BYTES} bytes in UTF-8."
    )


class SecretSeen(Object):
    """A secret, without its value."""

    name: str
    changed_at: datetime
    changed_by: str


class SecretNamesAnswer(Object):
    """An organization's secrets, sorted by name."""

    secrets: list[SecretSeen]
