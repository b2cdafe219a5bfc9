"""Stored templates: each comes back as it was, and those of earlier versions can be read."""

import pytest

from schemas.automation.trees import ApprovalWork, FleetWork, ProcessWork, TemplateKind, TemplateNode, Work
from schemas.engine.graph import MAX_TIMEOUT_S
from schemas.ids import TemplateNodeId
from tests.unit.wms.trees.template_samples import make_template
from wms.trees.templates.template_store import make_template_document, parse_template

NODE = TemplateNode(id=TemplateNodeId(1), identifier="a", timeout_s=60.0)
WORKS: list[Work] = [
    FleetWork(request={}, timeout_s=60.0),
    ProcessWork(definition="build", timeout_s=60.0),
    ApprovalWork(timeout=60),
]


@pytest.mark.parametrize("work", WORKS)
def test_a_time_beyond_ten_years_is_read_as_ten_years(work: Work) -> None:
    # Versions before the limit have stored such times.
    template = make_template(kind=TemplateKind.JOB, work=work)
    document = make_template_document(template)
    assert parse_template(document) == template
    name = "timeout" if isinstance(work, ApprovalWork) else "timeout_s"
    document["work"][name] = MAX_TIMEOUT_S * 5
    read = parse_template(document)
    assert getattr(read.work, name) == MAX_TIMEOUT_S
    assert parse_template(make_template_document(read)) == read


def test_a_node_with_a_time_beyond_ten_years_is_read_with_ten_years() -> None:
    template = make_template(nodes=(NODE,))
    document = make_template_document(template)
    assert parse_template(document) == template
    document["nodes"][0]["timeout_s"] = 1e12
    assert parse_template(document).nodes[0].timeout_s == MAX_TIMEOUT_S
