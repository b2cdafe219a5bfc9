"""Inventories from texts in Ansible's forms."""

import json
import time
import tracemalloc
from typing import Any

import pytest

from schemas.automation.inventories import MAX_IMPORT_BYTES, InventoryForm
from schemas.errors import TooLarge
from tests.unit.wms.inventory.inventory_samples import KNOWN, load_sample, make_farm, read_sample
from wms.inventory.content.inventory_content import InventoryRefused
from wms.inventory.forms.form_reading import guess_form, read_inventory
from wms.inventory.forms.form_writing import make_listing, write_inventory

INI, YAML, JSON = InventoryForm.INI, InventoryForm.YAML, InventoryForm.JSON


def simplify(listing: dict[str, Any]) -> dict[str, Any]:
    """Return a listing without what Ansible leaves out or orders in its own way."""
    groups = {
        name: {key: sorted(value) if isinstance(value, list) else value for key, value in body.items() if value}
        for name, body in listing.items()
        if name != "_meta"
    }
    groups["all"].pop("hosts", None)
    for body in groups.values():
        body.get("vars", {}).pop("ansible_group_priority", None)
    hosts = {name: each for name, each in listing["_meta"]["hostvars"].items() if each}
    return {"hosts": hosts, "groups": {name: body for name, body in groups.items() if body}}


@pytest.mark.parametrize("name", KNOWN)
def test_an_inventory_is_read_as_ansible_reads_it(name: str) -> None:
    content = read_inventory(read_sample(name))
    assert simplify(make_listing(content)) == simplify(load_sample(f"{name}.listed.json"))


@pytest.mark.parametrize("name", KNOWN)
def test_what_ansible_lists_is_read_to_the_same_inventory(name: str) -> None:
    listed = read_sample(f"{name}.listed.json")
    content = read_inventory(listed)
    assert simplify(make_listing(content)) == simplify(json.loads(listed))
    assert read_inventory(json.loads(listed)) == content


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("[web]\nw1\n", INI),
        ("w1 a=1\n", INI),
        ("w1:2222\n", INI),
        ("# c\n\n; d\nw1", INI),
        ("", INI),
        ("all:\n  hosts:\n", YAML),
        ("---\nall:\n", YAML),
        ("# c\nweb: # d\n", YAML),
        ("all: {hosts: {a: }}", YAML),
        ('\n {"all": {}}', JSON),
    ],
)
def test_the_form_of_a_text_is_guessed(text: str, form: InventoryForm) -> None:
    assert guess_form(text) is form


INI_FAULTS = [
    ("w1 x\n", "line 1: 'x' is no variable; write NAME=VALUE"),
    ("w1\n\nw2 'x\n", "line 3: a quote has no end"),
    ("[web\nw1\n", "line 1: host '[web': a name has letters"),
    ("[web:what]\nx y z\n", "line 1: [web:what] is no section"),
    ("[web:vars]\na=1\n", "line 1: the group 'web' has variables here, and there is no section [web]"),
    ("[a:children]\nb\n", "line 2: the group 'b' is a child here, and there is no section [b]"),
    ("[a]\n[b:children]\na c\n", "line 3: 'a c' is no name of a group"),
    ("[a]\n[a:vars]\nx\n", "line 3: 'x' is no variable"),
    ("[ungrouped:vars]\nx=1\n", "line 2: the group 'ungrouped' has no variables here"),
    ("w[5:1]\n", "line 1: the range '[5:1]' goes from the smaller end"),
    ("w[a:9]\n", "line 1: the range '[a:9]' needs two numbers, or two letters"),
    ("w[01:100]\n", "line 1: the range '[01:100]' begins with a zero"),
    ("w[0:99999]\n", "line 1: the range 'w[0:99999]' means more than 5000 hosts"),
    ("w[0:9][0:9][0:9][0:9][0:9]\n", "means more than 5000 hosts"),
    ("a[0:3000]\n\nb[0:3000]\n", "line 3: an inventory has at most 5000 hosts"),
    ("\n2001:db8::1\n", "line 2: host '2001:db8::1'"),
    ("w1 a-b=1\n", "line 1: host 'w1': variable 'a-b'"),
    ("w1 a=99999999999999999999\n", "line 1: host 'w1': variable 'a': a whole number must fit"),
    ("w1 ewms_labels=5\n", "line 1: host 'w1': ewms_labels must be a list of names"),
    ("[a:children]\nb\n[b:children]\na\n", "groups contain each other"),
    ("[a:children]\nall\n[a]\n", "line 2: 'all' cannot be in another group"),
    ("w1 " + "x=1 " * 20_000, "line 1: a line has at most 65536 characters"),
]


@pytest.mark.parametrize(("text", "reason"), INI_FAULTS, ids=[reason[:50] for _, reason in INI_FAULTS])
def test_a_fault_in_ini_has_its_line(text: str, reason: str) -> None:
    with pytest.raises(InventoryRefused) as caught:
        read_inventory(text, INI)
    assert reason in caught.value.reason


YAML_FAULTS = [
    ("a: [\n", "line 2: "),
    ("- a\n", "line 1: an inventory is an object"),
    ("all:\n  host:\n    a:\n", "line 2: group 'all': 'host' is none of hosts, vars, children"),
    ("all:\n  hosts:\n    a: 5\n", "line 3: host 'a' must be an object"),
    ("all:\n  hosts: [a]\n", "line 2: hosts of group 'all' must be an object"),
    ("all:\n  hosts:\n    a:\n    a:\n", "line 4: the key 'a' stands here twice"),
    ("all:\n  hosts:\n    a: &x {b: 1}\n    c: *x\n", "aliases are not allowed"),
    ("all:\n  vars:\n    p: !vault abc\n", "line 3: this value cannot be read, as tags like !vault are not allowed"),
    ("all:\n  hosts:\n    a b:\n", "line 3: host 'a b': a name has letters"),
    ("all:\n  hosts:\n    'w[3:1]':\n", "line 3: the range '[3:1]'"),
    ("web:\n  children:\n    web:\n", "groups contain each other: web > web"),
    ("web:\n  children:\n    all:\n", "line 3: 'all' cannot be in another group"),
    ("all:\n  vars: {x: .inf}\n", "must be finite"),
    ("{" * 100_000, "nested too deeply"),
    ("- " * 100_000, "nested too deeply"),
]


@pytest.mark.parametrize(("text", "reason"), YAML_FAULTS, ids=[reason[:50] for _, reason in YAML_FAULTS])
def test_a_fault_in_yaml_has_its_line(text: str, reason: str) -> None:
    with pytest.raises(InventoryRefused) as caught:
        read_inventory(text, YAML)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"web": {"hosts": ["a"]},\n"web": 5}', "the key 'web' stands twice"),
        ('{"web":\n{', "line 2: the text is not JSON"),
        ('{"web": 5, "_meta": {}}', "group 'web' must be an object"),
        ('{"web": {"hosts": [1]}}', "hosts of group 'web' must be a list of names"),
        ('{"web": {"hosts": [], "host": []}}', "group 'web': 'host' is none of hosts, vars, children"),
        ('{"_meta": {"hostvars": {"a": 5}}}', "_meta.hostvars.a must be an object"),
        ('{"_meta": {"hostvars": []}}', "_meta.hostvars must be an object"),
        ('{"web": {"hosts": [], "vars": []}, "_meta": {}, "x": {"hosts": [], "vars": 7}}', "vars of group 'x'"),
        ('{"a": ' * 50 + "1" + "}" * 50, "nested deeper than 34"),
        ("[" * 100_000, "the text is not JSON"),
        ("[]", "an inventory is an object"),
    ],
)
def test_a_fault_in_json_is_told(text: str, reason: str) -> None:
    with pytest.raises(InventoryRefused) as caught:
        read_inventory(text, JSON)
    assert reason in caught.value.reason


def test_json_in_the_form_of_yaml_files_is_read_too() -> None:
    content = read_inventory('{"all": {"hosts": {"a": {"x": 1}}, "children": {"web": {"hosts": {"a": null}}}}}')
    assert (content.hosts["a"].groups, content.hosts["a"].variables) == (("web",), {"x": 1})


def test_a_script_s_group_may_be_a_bare_list() -> None:
    assert read_inventory('{"web": ["a", "b"]}').hosts["b"].groups == ("web",)


def test_labels_come_from_a_variable() -> None:
    content = read_inventory("w1 ewms_labels=\"['new', 'rack-7']\" x=1\n")
    assert (content.hosts["w1"].labels, content.hosts["w1"].variables) == (("new", "rack-7"), {"x": 1})


RANGE_FAULTS = [
    (json.dumps({"all": {"hosts": {f"{'x' * 2_000_000}[1:5000]": None}}}), "means names of more than 253 characters"),
    ("x" * 250 + "[8:1005]\n", "line 1: the range 'xxxx"),
    ("h[1:5000]\n" * 100_000, "line 21: the ranges of hosts mean at most 100000 hosts in one text"),
    (
        "h[1:5000] " + "".join(f"a{number}=1 " for number in range(7000)),
        "line 1: the variables of ranges of hosts take at most 33554432 bytes as JSON",
    ),
    (json.dumps({"all": {"hosts": {"h[1:5000]": {"a": "x" * 8_000_000}}}}), "the variables of ranges of hosts take"),
]


@pytest.mark.parametrize(("text", "reason"), RANGE_FAULTS, ids=["long", "just too long", "many", "names", "values"])
def test_ranges_that_mean_too_much_are_refused_before_they_take_memory(text: str, reason: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InventoryRefused) as caught:
            read_inventory(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert reason in caught.value.reason
    assert len(caught.value.reason) < 1000
    # The text itself, a few times, is most of it.
    assert peak < 100_000_000


def test_many_groups_may_share_a_range() -> None:
    text = "".join(f"[g{number}]\nh[1:5000] a=1\n" for number in range(20))
    content = read_inventory(text)
    assert (len(content.hosts), len(content.hosts["h5000"].groups)) == (5000, 20)
    assert read_inventory("x" * 249 + "[8:1005]\n").hosts["x" * 249 + "1005"]


def test_a_text_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge, match="at most 12582912 characters"):
        read_inventory("#" * (MAX_IMPORT_BYTES + 1))


@pytest.mark.parametrize("form", InventoryForm)
def test_two_thousand_hosts_are_read_quickly(form: InventoryForm) -> None:
    text = write_inventory(make_farm(2000), form)
    began_at = time.process_time()
    assert len(read_inventory(text, form).hosts) == 2000
    # It takes 0.1 to 1 s here.
    assert time.process_time() - began_at < 10
