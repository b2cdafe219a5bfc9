"""Explain why no slot can take a worker, and which setting would help: TMS's text, and the command for it. (core)

no slot offers 999 GB of memory; the largest has 16 GB; ask for worker_memory=16G or less
"""

import re

_REMEDY = re.compile(r"; ask for (?P<field>n_cores|worker_memory|worker_disk)=(?P<value>\w{1,20}) or less$", re.ASCII)


def unmatched_text(reason: str, field: str, most: str) -> str:
    """Return `reason` with the remedy. `most` is the largest value for `worker_config.<field>`, for example `16G`."""
    return f"{reason}; ask for {field}={most} or less"


def complain_of_unmatched(text: str, task: int | None) -> tuple[str, str]:
    """Return a complaint, and the command that submits the user's FILE again with a value that fits.

    `text` says why no slot can take a worker, and may end with a remedy. The complaint is `text` after the path of the
    setting to change, as in 'tasks.0.worker_config.worker_memory'. If `text` has no remedy, return it unchanged, and an
    empty command.

    `task` is the task's index in its request. If None, the index is unknown, and the command changes all tasks.
    """
    if (found := _REMEDY.search(text)) is None:
        return text, ""
    path = f"tasks.{'*' if task is None else task}.worker_config.{found['field']}"
    return f"'{path}': {text}", f"ewms workflow submit FILE --set {path}={found['value']}"
