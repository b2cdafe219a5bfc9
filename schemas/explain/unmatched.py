"""Explain why no slot can take a worker, and which setting would help: TMS's text, and the command for it. (core)

no slot offers 999 GB of memory; the largest has 16 GB; ask for worker_memory=16G or less
"""

import re

_REMEDY = re.compile(r"; ask for (?P<field>n_cores|worker_memory|worker_disk)=(?P<value>\w{1,20}) or less$", re.ASCII)


def unmatched_text(reason: str, field: str, most: str) -> str:
    """Return `reason` with the remedy. `most` is the largest value for `worker_config.<field>`, for example `16G`."""
    return f"{reason}; ask for {field}={most} or less"


def complain_of_unmatched(text: str, task: int | None) -> tuple[str, str]:
    """Return a complaint about worker resources that no slot has, and the command that submits with a value that fits.

    `text` says why no slot can take a worker, and may end with a remedy. If it has one, the complaint is the path of
    the setting to change, such as 'tasks.0.worker_config.worker_memory', followed by `text`. The word FILE in the
    command stands for the user's request. If `text` has no remedy, return `text` unchanged and an empty command.

    `task` is the task's index in its request. If None, the index is unknown, and the command changes all tasks.
    """
    if (found := _REMEDY.search(text)) is None:
        return text, ""
    path = f"tasks.{'*' if task is None else task}.worker_config.{found['field']}"
    return f"'{path}': {text}", f"ewms workflow submit FILE --set {path}={found['value']}"
