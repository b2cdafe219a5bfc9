"""Inventories for tests: made by hand, by chance, and those of which we know what Ansible makes of them."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from wms.inventory.content.content_edits import sort_host
from wms.inventory.content.inventory_content import Group, Host, InventoryContent, make_content

DATA = Path(__file__).parents[3] / "data/inventories"
KNOWN = ("shop.ini", "lab.yaml")


def read_sample(name: str) -> str:
    """Return a text of `tests/data/inventories`."""
    return (DATA / name).read_text()


def load_sample(name: str) -> Any:
    """Return what Ansible said, from `tests/data/inventories`."""
    return json.loads(read_sample(name))


_GROUPS = ("ga", "gb", "gc", "gd", "ge")
_LABELS = ("rack-1", "rack-2", "old", "x.y")
_NAMES = ("os", "tier", "list_of", "port", "_x")
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_VARIABLES = st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=3)


@st.composite
def contents(draw: st.DrawFn) -> InventoryContent:
    """Return an inventory that obeys all rules. A group has later groups as children only, so there is no circle."""
    names = draw(st.lists(st.sampled_from(_GROUPS), unique=True))
    groups = [
        Group(
            name,
            tuple(draw(st.lists(st.sampled_from(names[at + 1 :]), unique=True))) if names[at + 1 :] else (),
            draw(_VARIABLES),
        )
        for at, name in enumerate(names)
    ]
    hosts = [
        sort_host(
            Host(
                f"h{number}",
                tuple(draw(st.lists(st.sampled_from(_LABELS), unique=True))),
                tuple(draw(st.lists(st.sampled_from(names), unique=True))) if names else (),
                draw(_VARIABLES),
            )
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    return make_content(draw(_VARIABLES), groups, hosts)


def make_farm(n_hosts: int) -> InventoryContent:
    """Return an inventory of this many hosts in 40 racks, two tiers and three levels of groups."""
    racks = [Group(f"rack{n}", (), {"rack": n, "switch": f"sw{n}"}) for n in range(40)]
    tiers = [Group(tier, (), {"tier": tier, "ports": [80, 443]}) for tier in ("front", "back")]
    sites = [Group("site", tuple(each.name for each in racks), {"site": "north", "dns": ["10.0.0.1", "10.0.0.2"]})]
    hosts = [
        Host(
            f"host{n:05}.example.org",
            ("even" if n % 2 == 0 else "odd", f"batch-{n % 10}"),
            ("back" if n % 3 else "front", f"rack{n % 40}"),
            {"ansible_host": f"10.1.{n // 250}.{n % 250}", "serial": n, "disks": ["sda", "sdb"]},
        )
        for n in range(n_hosts)
    ]
    return make_content({"owner": "ada", "dns": []}, [*racks, *tiers, *sites], hosts)
