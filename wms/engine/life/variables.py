"""What a node sees: state, variables, artifacts; how each is merged, bounded and masked. (core)

    state        the run's; a step's delta is merged over it key by key, a person's input deeply
    variables    the node's own < artifacts of the nodes above, the nearest first < what the run was launched with
    artifacts    what a node leaves, and what reached it from above; a failed node passes them on, too

A key that is masked is shown to nobody.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from schemas.errors import TooLarge
from schemas.runs import MAX_STATE_BYTES

MASK = "$encrypted$"

Values = Mapping[str, Any]


def merge_delta(state: Values, delta: Values, removed: Iterable[str] = ()) -> dict[str, Any]:
    """Return `state` with the keys of `delta` replaced, and without `removed`."""
    merged = {**state, **delta}
    for key in removed:
        merged.pop(key, None)
    return merged


def merge_deeply(state: Values, given: Values) -> dict[str, Any]:
    """Return `state` with `given` merged into it, objects within objects too. Lists replace lists."""
    merged = dict(state)
    for key, value in given.items():
        old = merged.get(key)
        merged[key] = merge_deeply(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def find_variables(own: Values, inherited: Values, launched_with: Values) -> dict[str, Any]:
    """Return the variables of a node, each from the strongest that has it."""
    return {**own, **inherited, **launched_with}


def inherit_artifacts(parents: Iterable[tuple[Values, Values]]) -> Values:
    """Return what reaches a node from above. `parents`: what reached each parent, and what it left itself.

    What the parents left themselves is nearer, so it wins over what reached any of them. Of two parents the later wins.
    """
    listed = list(parents)
    if len(listed) == 1 and not listed[0][1]:
        # The usual case in a long chain: nothing is new, so nothing is copied.
        return listed[0][0]
    merged: dict[str, Any] = {}
    for reached, _ in listed:
        merged |= reached
    for _, left in listed:
        merged |= left
    return merged


def collect_artifacts(ended: Iterable[Values]) -> dict[str, Any]:
    """Return what a run leaves to the run above it. `ended`: what its nodes left, in the order in which they ended."""
    merged: dict[str, Any] = {}
    for left in ended:
        merged |= left
    return merged


def mask_values(values: Values, masked: Collection[str]) -> dict[str, Any]:
    """Return `values` for somebody's eyes: the masked keys are there, and their values are not."""
    return {key: MASK if key in masked else value for key, value in values.items()}


def unmask_values(given: Values, kept: Values, masked: Collection[str]) -> dict[str, Any]:
    """Return `given`, in which the mask as the value of a masked key means the value that is kept."""
    return {
        key: kept[key] if key in masked and value == MASK and key in kept else value for key, value in given.items()
    }


def check_size(what: str, values: Values) -> None:
    """Return if `values` fit into a run.

    Raises:
        TooLarge: as JSON they take more than `MAX_STATE_BYTES`; the error names the largest key.
    """
    if _count_bytes(values) <= MAX_STATE_BYTES:
        return
    sizes = {key: _count_bytes(value) for key, value in values.items()}
    largest = max(sizes, key=lambda key: sizes[key])
    raise TooLarge(
        f"the {what} takes more than {MAX_STATE_BYTES} bytes as JSON; the key {largest!r} alone takes {sizes[largest]}",
        hint="keep what is large in a file or in an event, and its address in the state",
    )


def _count_bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode())
