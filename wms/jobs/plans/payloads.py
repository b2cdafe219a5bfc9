"""Build the payload of a container: one JSON text, which becomes the last argument of its command. (core)

fan-out      payload
host         {"host": {"name", "labels", "groups", "vars"}, ...variables of the job}
inventory    {"hosts": [{...}, ...], "groups": {name: [hosts]}, "vars": {...}, ...variables of the job}
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.automation.jobs import MAX_JOB_BYTES, MAX_PAYLOAD_BYTES, PAYLOAD_WORDS, JobHostDocument
from schemas.errors import Rejected, TooLarge

_SURROGATE = re.compile("[\ud800-\udfff]")


def dump_json(value: Any) -> str:
    """Return `value` as JSON without blanks, in characters that have bytes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate, such as "\ud800", has no bytes. JSON can write it as an escape.
    return text if text.isascii() or not _SURROGATE.search(text) else json.dumps(value, separators=(",", ":"))


def check_variable_names(variables: Mapping[str, Any]) -> None:
    """Check that no variable of a job hides what the payload says about the inventory.

    Raises:
        Rejected: one has a reserved name.
    """
    taken = [name for name in PAYLOAD_WORDS if name in variables]
    if taken:
        raise Rejected(
            f"'payload': {', '.join(taken)}: EWMS sets this itself",
            hint=f"take other names than {', '.join(PAYLOAD_WORDS)}",
        )


def make_host_payload(host: JobHostDocument, variables: str) -> bytes:
    """Return the payload for one host. `variables` are those of the job, as JSON."""
    return _dump_payload({"host": _describe_host(host)}, variables)


def make_inventory_payload(hosts: Sequence[JobHostDocument], inventory_vars: str, variables: str) -> bytes:
    """Return the payload for a container that gets all of `hosts`."""
    groups: dict[str, list[str]] = {}
    for host in hosts:
        for group in host.groups:
            groups.setdefault(group, []).append(host.name)
    facts = {"hosts": [_describe_host(host) for host in hosts], "groups": groups, "vars": json.loads(inventory_vars)}
    return _dump_payload(facts, variables)


def _describe_host(host: JobHostDocument) -> dict[str, Any]:
    return {"name": host.name, "labels": host.labels, "groups": host.groups, "vars": json.loads(host.variables)}


def _dump_payload(facts: Mapping[str, Any], variables: str) -> bytes:
    # An argument cannot contain NUL either; JSON always writes it as an escape.
    return dump_json({**json.loads(variables), **facts}).encode()


def check_payload_sizes(payloads: Iterable[tuple[str, bytes]]) -> None:
    """Check that each payload fits into one argument of a program, and all of them into one job.

    `payloads` has pairs: what gets the payload, for people, and the payload.

    Raises:
        TooLarge: all of them together are too large.
        Rejected: one is larger than an argument of a program may be.
    """
    n_bytes = 0
    for name, payload in payloads:
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise Rejected(
                f"the payload of {name} has {len(payload)} bytes, and one argument of a program has at most "
                f"{MAX_PAYLOAD_BYTES}",
                hint="give fewer variables, or run the task on fewer hosts at once: --limit, --serial",
            )
        n_bytes += len(payload)
        if n_bytes > MAX_JOB_BYTES:
            raise TooLarge(
                f"the payloads of all hosts have more than {MAX_JOB_BYTES} bytes together",
                hint="run the job on fewer hosts: --limit",
            )
