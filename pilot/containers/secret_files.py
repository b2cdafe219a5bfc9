"""Give a task its secrets as files, which only its containers see.

    ewms_pilot_secrets  {"db-password": "..."}  0600, came with the job
        ──► <work>/secrets/db-password          0600, mounted read-only at $EWMS_TASK_SECRETS_DIR

The values stand in no argument and no variable. The pilot removes the files when it ends.

One secret is no file: `PROGRAM_SECRET` has the texts of the program that have masks elsewhere. A request put them into
arguments and variables, so the pilot puts them there, too. It masks them like secrets in what the task writes.
"""

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pilot.containers.run_files import remove_tree
from pilot.errors import SecretsUnusable, SettingsInvalid
from pilot.events.private_files import read_private_file
from pilot.failures.secret_mask import find_hidden_parts
from pilot.settings import PilotSettings
from schemas.pilot.job_names import SECRETS_FILE
from schemas.pilot.options import read_secret_names
from schemas.pilot.pilot_wire import read_program_secret
from schemas.pilot.variables import Variables
from schemas.rules.secret_names import MAX_SECRETS_BYTES, PROGRAM_SECRET, SECRET_NAME


def read_secrets(settings: PilotSettings, directory: str) -> dict[str, str]:
    """Return name -> value of the secrets that the task gets as files, from the file that came with the job.

    Raises:
        SecretsUnusable: the file is missing, is no JSON object of texts, lacks a secret, or others can read it.
    """
    names = [name for name in settings.secrets if name != PROGRAM_SECRET]
    values = _read_values(directory) if names else {}
    for name in names:
        if name not in values or not SECRET_NAME.fullmatch(name):
            raise SecretsUnusable(f"the job came without the secret {name[:100]!r}; store it, and start the job again")
    return {name: values[name] for name in names}


@dataclass(frozen=True, slots=True)
class FilledProgram:
    """The pilot's variables with the hidden texts, and what of these texts is secret."""

    environment: Mapping[str, str]
    hidden: tuple[str, ...] = field(default=(), repr=False)


def fill_program(environment: Mapping[str, str], directory: str) -> FilledProgram:
    """Return the pilot's variables with the hidden texts of the program in place of their masks, if it has some.

    Raises:
        SettingsInvalid: the job came without these texts, or they cannot be read.
    """
    if PROGRAM_SECRET not in read_secret_names(Variables(environment), "SECRETS"):
        return FilledProgram(environment)
    try:
        texts = read_program_secret(_read_values(directory)[PROGRAM_SECRET])
    except SecretsUnusable as error:
        raise SettingsInvalid([error.reason]) from error
    except (KeyError, ValueError, RecursionError):
        problem = f"{SECRETS_FILE} must have the texts of the program that are hidden; use a TMS of WMS's version"
        raise SettingsInvalid([problem]) from None
    pairs = [pair for name, text in texts.items() for pair in _pair_texts(environment.get(name, ""), text)]
    hidden = dict.fromkeys(part for shown, real in pairs for part in find_hidden_parts(shown, real))
    return FilledProgram({**environment, **texts}, tuple(hidden))


def _pair_texts(shown: str, real: str) -> list[tuple[str, str]]:
    """Return the values, or the arguments, of a variable with masks and of the same without, beside each other."""
    masked, values = _read_object(shown), _read_object(real)
    if values is not None:
        return [((masked or {}).get(name, ""), value) for name, value in values.items()]
    try:
        return list(zip(shlex.split(shown), shlex.split(real), strict=True))
    except ValueError:
        # A secret with blanks is several arguments.
        return [(shown, real)]


def _read_object(text: str) -> dict[str, str] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return {name: str(each) for name, each in value.items()} if isinstance(value, dict) else None


def _read_values(directory: str) -> dict[str, str]:
    """Return the file with the task's secrets.

    Raises:
        SecretsUnusable: it is missing, is no JSON object of texts, or others can read it.
    """
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
    return values


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
