"""Inventories as texts in Ansible's forms."""

import json

import pytest
from hypothesis import given

from schemas.automation.inventories import InventoryForm
from schemas.errors import Rejected
from tests.unit.wms.inventory.inventory_samples import contents
from wms.inventory.content.inventory_content import Group, Host, InventoryContent, make_content
from wms.inventory.forms.form_reading import guess_form, read_inventory
from wms.inventory.forms.form_writing import write_inventory

INI, YAML, JSON = InventoryForm.INI, InventoryForm.YAML, InventoryForm.JSON

LAB = make_content(
    {"site": "north"},
    [Group("web", (), {"tier": "front"}), Group("prod", ("web",))],
    [Host("w1", ("rack-7",), ("web",), {"port": 80, "note": "it's"}), Host("d1")],
)

WRITTEN = {
    INI: """\
w1 port=80 note="\\"it's\\"" ewms_labels="['rack-7']"
d1

[all:vars]
site=north

[web]
w1

[web:vars]
tier=front

[prod]

[prod:children]
web
""",
    YAML: """\
all:
  vars:
    site: north
  hosts:
    w1:
      port: 80
      note: it's
      ewms_labels:
      - rack-7
    d1: null
  children:
    web:
      vars:
        tier: front
      hosts:
        w1: null
    prod:
      children:
        web: null
""",
}


@pytest.mark.parametrize("form", WRITTEN)
def test_an_inventory_is_written_as_people_write_it(form: InventoryForm) -> None:
    assert write_inventory(LAB, form) == WRITTEN[form]


def test_json_is_what_an_inventory_script_prints() -> None:
    assert json.loads(write_inventory(LAB, JSON)) == {
        "_meta": {
            "hostvars": {"w1": {"port": 80, "note": "it's", "ewms_labels": ["rack-7"]}, "d1": {}},
        },
        "all": {"hosts": ["w1", "d1"], "children": ["ungrouped", "prod"], "vars": {"site": "north"}},
        "ungrouped": {"hosts": ["d1"]},
        "web": {"hosts": ["w1"], "vars": {"tier": "front"}},
        "prod": {"children": ["web"]},
    }


def test_json_can_have_a_group_for_each_label() -> None:
    listing = json.loads(write_inventory(LAB, JSON, with_label_groups=True))
    assert listing["label_rack_7"] == {"hosts": ["w1"]}
    with pytest.raises(Rejected, match="only the form json"):
        write_inventory(LAB, YAML, with_label_groups=True)
    with pytest.raises(Rejected, match="would be 'label_a_b', and that name is taken"):
        write_inventory(make_content({}, [], [Host("h", ("a-b", "a.b"))]), JSON, with_label_groups=True)


@pytest.mark.parametrize("form", InventoryForm)
@given(content=contents())
def test_what_is_written_is_read_to_the_same_inventory(form: InventoryForm, content: InventoryContent) -> None:
    text = write_inventory(content, form)
    again = read_inventory(text, form)
    assert again == content
    assert list(again.hosts) == list(content.hosts)
    assert not content.hosts or guess_form(text) is form
