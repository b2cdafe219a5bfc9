"""Merge, limit and mask the values that a node sees. (core)

    state        the run's; a step's delta replaces its keys, and a person's input is merged deeply
    variables    the node's own < artifacts of the nodes above, the nearest first < the parameters of the launch
    prompts      the child's own < its node's < those of the run above; only what the child asks for
    artifacts    the values that a node leaves, and those from above; a failed node passes them on, too

Variables on the right of `<` override those on the left. The value of a masked key is never shown.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from schemas.engine.runs import MAX_STATE_BYTES, WANTED_WORKFLOW
from schemas.errors import TooLarge
from schemas.rules.secret_names import MASK

Values = Mapping[str, Any]


def merge_delta(state: Values, delta: Values, removed: Iterable[str] = ()) -> dict[str, Any]:
    """Return `state` with the keys of `delta` replaced, and without the keys in `removed`."""
    merged = {**state, **delta}
    for key in removed:
        merged.pop(key, None)
    return merged


def merge_deeply(state: Values, given: Values) -> dict[str, Any]:
    """Return `state` with `given` merged into it, also within nested objects. Lists replace lists."""
    merged = dict(state)
    for key, value in given.items():
        old = merged.get(key)
        merged[key] = merge_deeply(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def find_variables(own: Values, inherited: Values, launched_with: Values) -> dict[str, Any]:
    """Return the variables of a node, by name. The values of the launch override the inherited ones, and these override
    `own`.
    """
    return {**own, **inherited, **launched_with}


def find_prompts(own: Values, of_node: Values, of_run: Values, asks: Collection[str]) -> dict[str, Any]:
    """Return the answers to prompts for the child of a node. Those of the run override those of the node, and these
    override the child's `own`; of both, only what the child asks for counts.
    """
    return {**own, **{name: value for name, value in {**of_node, **of_run}.items() if name in asks}}


def inherit_artifacts(parents: Iterable[tuple[Values, Values]]) -> Values:
    """Return the artifacts that a node gets from its parents.

    `parents` has for each parent the artifacts that it got from above, and its own. A parent's own artifacts override
    those from above. A later parent overrides an earlier one.
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
    merged.pop(WANTED_WORKFLOW, None)
    return merged


def collect_artifacts(ended: Iterable[Values]) -> dict[str, Any]:
    """Return the artifacts of a run for the run above it.

    `ended` are the artifacts of its nodes, in the order in which the nodes ended.
    """
    merged: dict[str, Any] = {}
    for left in ended:
        merged |= left
    merged.pop(WANTED_WORKFLOW, None)
    return merged


def fill_values(value: Any, variables: Values) -> Any:
    """Return the JSON `value` with `${name}` in its texts replaced by the variable `name`, if there is such a variable.

    A text that is only `${name}` becomes the variable itself, with the variable's type.
    """
    if isinstance(value, dict):
        return {key: fill_values(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [fill_values(each, variables) for each in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    if (whole := _PLACE.fullmatch(value)) and whole[1] in variables:
        return variables[whole[1]]
    return _PLACE.sub(lambda found: _write_text(variables[found[1]]) if found[1] in variables else found[0], value)


_PLACE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)


def _write_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def mask_values(values: Values, masked: Collection[str]) -> dict[str, Any]:
    """Return `values` with a mask in place of the values of the keys in `masked`."""
    return {key: MASK if key in masked else value for key, value in values.items()}


def unmask_values(given: Values, kept: Values, masked: Collection[str]) -> dict[str, Any]:
    """Return `given`. Where a masked key has the mask as its value, put the value from `kept`."""
    return {
        key: kept[key] if key in masked and value == MASK and key in kept else value for key, value in given.items()
    }


def check_size(what: str, values: Values) -> None:
    """Check that `values` fit into a run. `what` names the values in the error.

    Raises:
        TooLarge: as JSON the values take more than `MAX_STATE_BYTES`; the error names the largest key.
    """
    if _count_bytes(values) <= MAX_STATE_BYTES:
        return
    sizes = {key: _count_bytes(value) for key, value in values.items()}
    largest = max(sizes, key=lambda key: sizes[key])
    raise TooLarge(
        f"the {what} takes more than {MAX_STATE_BYTES} bytes as JSON; the key {largest!r} alone takes {sizes[largest]}",
        hint="keep large values in a file or in an event, and their address in the state",
    )


def _count_bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode())
