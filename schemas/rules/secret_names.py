"""The rules for the names and the values of secrets. A name becomes the name of a file. (core)"""

import re

#: What the name of a secret must match.
SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
#: How many bytes a value may have, and how many secrets a task may name, with how many bytes in all.
MAX_SECRET_BYTES = 64 * 1024
MAX_SECRETS = 32
MAX_SECRETS_BYTES = 512 * 1024
