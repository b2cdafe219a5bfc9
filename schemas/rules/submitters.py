"""The name of a user's submitter at HTCondor: one submitter for each owner of workflows. (core)

HTCondor divides slots fairly among submitters, and compares job priorities only within one submitter. The issuer of
tokens chooses the names of owners, so these can contain any character. The submitter's name is safe in a submit
description and in a ClassAd: it has no expansion, no quote, no capitals, and no dot (a dot would name a group of the
site).
"""

import hashlib

#: Distinguishes EWMS's users from the schedd's own users and from the site's groups.
_PREFIX = "ewms-"
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-")
_MAX_LENGTH = 96
_KEPT_OF_LONG = 48


def submitter_name(owner: str) -> str:
    """Return the name of the submitter for `owner`'s jobs, or "" if `owner` is empty. No two owners have the same name.

    Small letters, digits and `-` stay. Any other byte becomes `_` and two hexadecimal digits: `Ada@example.org` ->
    `ewms-_41da_40example_2eorg`. A long name keeps its beginning and ends in `__` and a digest.
    """
    if not owner:
        return ""
    named = owner.encode(errors="surrogatepass")
    name = _PREFIX + "".join(chr(byte) if byte in _PLAIN else f"_{byte:02x}" for byte in named)
    if len(name) <= _MAX_LENGTH:
        return name
    return f"{name[:_KEPT_OF_LONG].rstrip('_')}__{hashlib.sha256(named).hexdigest()[:32]}"
