"""Which form of a drawing a request wants."""

import pytest

from schemas.errors import Rejected
from wms.gateway.ewms.workflows.views import WorkflowViewRoutes, choose_form


@pytest.mark.parametrize(
    ("wished", "accept", "form"),
    [
        (None, "", "json"),
        (None, "*/*", "json"),
        (None, "application/json", "json"),
        (None, "text/vnd.graphviz, */*;q=0.1", "dot"),
        (None, "Text/vnd.mermaid;q=0.9", "mermaid"),
        ("dot", "application/json", "dot"),
    ],
)
def test_the_query_counts_before_the_header(wished: str | None, accept: str, form: str) -> None:
    assert choose_form(wished, accept) == form


def test_an_unknown_form_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Rejected, match="'format': must be json or mermaid or dot"):
        choose_form("svg", "")


def test_the_views_count_as_heavy_because_each_reads_a_whole_workflow() -> None:
    routes = WorkflowViewRoutes(reader=None).routes()  # type: ignore[arg-type]  # no request comes
    assert all(route.is_heavy for route in routes)
    # The page draws the shape of a graph while the views before it still run or rest.
    assert [route.light_with for route in routes if route.light_with] == [("counts", "false")]
