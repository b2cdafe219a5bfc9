"""The rules for the names and the values of secrets. A name becomes the name of a file. (core)

One name is not of this form: that of the texts of a task's program which nobody may see. They become no file.
"""

import re

from schemas.errors import Rejected

#: What the name of a secret must match.
SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
#: What people see in place of a secret, and what stands in the program of a task in place of a hidden text.
MASK = "$encrypted$"
#: The name of the secret with the program's hidden texts, for example arguments with a password. No secret that a user
#: stores and no file of one has this name.
PROGRAM_SECRET = "ewms:program"  # noqa: S105 - a name
#: How many bytes a value may have, and how many secrets a task may name, with how many bytes in all.
MAX_SECRET_BYTES = 64 * 1024
MAX_SECRETS = 32
MAX_SECRETS_BYTES = 512 * 1024


def check_secret_name(name: str) -> None:
    """Check that `name` can be the name of a secret, and of its file.

    Raises:
        Rejected: it breaks the rule.
    """
    if not SECRET_NAME.fullmatch(name):
        raise Rejected(f"the name of a secret must match {SECRET_NAME.pattern}; rename it")
