"""Make the secrets of a task's builds and of its webhook from the secret of the task. They are not stored.

The task's own secret is stored as passwords of surveys are: sealed with the keys of `EWMS_SECRET_KEYS`. A server
without a key keeps it as it is, and seals it at the first start with one.
"""

import hashlib
import secrets

from schemas.automation.catalogue import CatalogueTask
from wms.encryption import SecretKeys

_SECRET_BYTES = 32
_NAME = "secret"


class TaskKeys:
    """Makes the keys of tasks from their stored secrets. Each method but `make_secret` reads a task's secret.

    Raises:
        NoKey: the secret is sealed, and the settings have no key.
        Broken: none of the keys fits.
    """

    def __init__(self, keys: SecretKeys) -> None:
        self._keys = keys

    def make_secret(self) -> str:
        """Return a new secret of a task, as it may be stored."""
        made: str = self._keys.seal_values({_NAME: secrets.token_hex(_SECRET_BYTES)}, (_NAME,))[_NAME]
        return made

    def make_report_token(self, task: CatalogueTask, build: str) -> str:
        """Return the token with which a builder sends its reports about `build`."""
        return self._derive(task, f"build/{build}")

    def make_webhook_key(self, task: CatalogueTask) -> str:
        """Return the key with which a git server signs its calls of the task's webhook."""
        return self._derive(task, f"webhook/{task.n_webhook_keys}")

    def is_report_token(self, task: CatalogueTask, build: str, token: str) -> bool:
        """Return whether `token` is that of `build`."""
        return is_same(self.make_report_token(task, build), token)

    def _derive(self, task: CatalogueTask, purpose: str) -> str:
        return _digest(f"{self._keys.unseal(task.secret)}/{task.id}/{purpose}").hex()


def is_same(wanted: str, given: str) -> bool:
    """Return whether both are the same, in a time that tells nothing about `wanted`."""
    return _digest(wanted) == _digest(given)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
