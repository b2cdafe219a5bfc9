"""Secrets for programs without an event loop: the names of `ewms.secrets.async_secrets`, without `await`."""

from typing import Any

from ewms.loop_thread import LoopThread
from ewms.secrets.async_secrets import AsyncSecretClient


class SecretClient:
    """The secrets of the organizations in which you have a role. Jobs name them; their tasks get them as files."""

    def __init__(self, portal: LoopThread, secrets: AsyncSecretClient) -> None:
        self._portal = portal
        self._secrets = secrets

    def list_secrets(self, *, organization: str = "default") -> list[dict[str, Any]]:
        """Return the organization's secrets without their values, sorted by name."""
        return self._portal.run_coroutine(lambda: self._secrets.list_secrets(organization=organization))

    def set_secret(self, name: str, value: str, *, organization: str = "default", open_to: str | None = None) -> None:
        """Set a secret. Tasks that start later get the new value.

        `open_to`: who may give it to jobs, `admins` or `members`. None: as it is; `admins` for a new one.

        Raises:
            Refused: the name or the value breaks its rule, or the server has no key for secrets.
        """
        self._portal.run_coroutine(
            lambda: self._secrets.set_secret(name, value, organization=organization, open_to=open_to)
        )

    def delete_secret(self, name: str, *, organization: str = "default") -> None:
        """Delete a secret. Tasks that run keep it.

        Raises:
            NotFound: there is none.
        """
        self._portal.run_coroutine(lambda: self._secrets.delete_secret(name, organization=organization))
