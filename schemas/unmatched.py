"""Why no slot can take a worker, and the setting that would help: TMS's text, and the command for it. (core)

no slot offers 999 GB of memory; the largest has 16 GB; ask for worker_memory=16G or less
"""

import re

_REMEDY = re.compile(r"; ask for (?P<field>n_cores|worker_memory|worker_disk)=(?P<value>\w{1,20}) or less$", re.ASCII)


def unmatched_text(reason: str, field: str, most: str) -> str:
    """Return `reason` with the remedy. `most` is the largest value for `worker_config.<field>`, for example `16G`."""
    return f"{reason}; ask for {field}={most} or less"


def complain_of_unmatched(text: str, task: int | None) -> tuple[str, str]:
    """Return `text` with the request's field in front, and the command that submits a request that fits.

    `task` is the task's index in its request; None: unknown, so the command changes all tasks. If no setting would
    help, the text stays unchanged and the command is empty.
    """
    if (found := _REMEDY.search(text)) is None:
        return text, ""
    path = f"tasks.{'*' if task is None else task}.worker_config.{found['field']}"
    return f"'{path}': {text}", f"ewms workflow submit FILE --set {path}={found['value']}"
