"""Make the secrets of a task's builds and of its webhook from the secret of the task. They are not stored. (core)"""

import hashlib

from schemas.catalogue import CatalogueTask


def make_report_token(task: CatalogueTask, build: str) -> str:
    """Return the token with which a builder sends its reports about `build`."""
    return _derive(task, f"build/{build}")


def make_webhook_key(task: CatalogueTask) -> str:
    """Return the key with which a git server signs its calls of the task's webhook."""
    return _derive(task, f"webhook/{task.n_webhook_keys}")


def is_report_token(task: CatalogueTask, build: str, token: str) -> bool:
    """Return whether `token` is that of `build`."""
    return is_same(make_report_token(task, build), token)


def is_same(wanted: str, given: str) -> bool:
    """Return whether both are the same, in a time that tells nothing about `wanted`."""
    return _digest(wanted) == _digest(given)


def _derive(task: CatalogueTask, purpose: str) -> str:
    return _digest(f"{task.secret}/{task.id}/{purpose}").hex()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
