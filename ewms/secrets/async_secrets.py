"""Secrets of organizations, for programs with an event loop; `ewms.secrets.plain_secrets` is for all others."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from ewms.gateway.http import Gateway


class AsyncSecretClient:
    """The secrets of the organizations in which you have a role. Jobs name them; their tasks get them as files."""

    def __init__(self, open_gateway: Callable[[], Gateway]) -> None:
        self._open_gateway = open_gateway

    async def list_secrets(self, *, organization: str = "default") -> list[dict[str, Any]]:
        """Return the organization's secrets without their values, sorted by name."""
        found = await self._open_gateway().get_json(_make_path(organization))
        return list(found["secrets"])

    async def set_secret(
        self, name: str, value: str, *, organization: str = "default", open_to: str | None = None
    ) -> None:
        """Set a secret. Tasks that start later get the new value.

        `open_to`: who may give it to jobs, `admins` or `members`. None: as it is; `admins` for a new one.

        Raises:
            Refused: the name or the value breaks its rule, or the server has no key for secrets.
        """
        await self._open_gateway().put(
            _make_path(organization, name), {"value": value, **({} if open_to is None else {"open_to": open_to})}
        )

    async def delete_secret(self, name: str, *, organization: str = "default") -> None:
        """Delete a secret. Tasks that run keep it.

        Raises:
            NotFound: there is none.
        """
        await self._open_gateway().delete(_make_path(organization, name))


def _make_path(organization: str, name: str = "") -> str:
    path = f"/organizations/{quote(organization, safe='')}/secrets"
    return f"{path}/{quote(name, safe='')}" if name else path
