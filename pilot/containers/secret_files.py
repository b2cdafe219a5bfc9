"""Give a task its secrets as files, which only its containers see.

    ewms_pilot_secrets  {"db-password": "..."}  0600, came with the job
        ──► <work>/secrets/db-password          0600, mounted read-only at $EWMS_TASK_SECRETS_DIR

The values stand in no argument and no variable. The pilot removes the files when it ends.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from pilot.containers.run_files import remove_tree
from pilot.errors import SecretsUnusable
from pilot.events.private_files import read_private_file
from pilot.settings import PilotSettings
from schemas.pilot.job_names import SECRETS_FILE
from schemas.rules.secret_names import MAX_SECRETS_BYTES, SECRET_NAME


def read_secrets(settings: PilotSettings, directory: str) -> dict[str, str]:
    """Return name -> value of the secrets that the task names, from the file that came with the job.

    Raises:
        SecretsUnusable: the file is missing, is no JSON object of texts, lacks a secret, or others can read it.
    """
    if not settings.secrets:
        return {}
    body = read_private_file(
        f"{directory}/{SECRETS_FILE}",
        named="the task's secrets are in",
        remedy="let the job transfer it",
        refusal=SecretsUnusable,
        # A character of a value may be six bytes in JSON.
        max_bytes=6 * MAX_SECRETS_BYTES,
    )
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    # No error here may show what is in the file.
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise SecretsUnusable(f"{SECRETS_FILE} must be a JSON object of texts; transfer it again")
    for name in settings.secrets:
        if name not in values or not SECRET_NAME.fullmatch(name):
            raise SecretsUnusable(f"the job came without the secret {name[:100]!r}; store it, and start the job again")
    return {name: values[name] for name in settings.secrets}


def write_secrets(values: Mapping[str, str], directory: Path, *, shared: bool) -> str:
    """Write each secret into a file in the new `directory`, and return its path; "" without secrets.

    With `shared` (docker), containers run as another user, who must read the files. The directory lies in one that only
    the pilot may enter.
    """
    if not values:
        return ""
    remove_tree(str(directory))
    directory.mkdir(mode=0o700)
    for name, value in values.items():
        fd = os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(value.encode())
            if shared:  # against the umask
                os.fchmod(file.fileno(), 0o444)
    if shared:
        directory.chmod(0o755)
    return str(directory)
