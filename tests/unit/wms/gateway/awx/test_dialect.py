"""Bodies of refusals: the key says the kind, and each has the remedy that there is."""

from schemas.errors import Broken, Rejected
from wms.gateway.awx.dialect import describe_refusal
from wms.trees.graphs.whole_graph import GraphRefused
from wms.trees.template_errors import JobIsActive


def test_a_refusal_tells_the_remedy() -> None:
    error = Rejected("order_by: there is no field 'x'", hint="fields: id, name")
    assert describe_refusal(400, error.reason, error) == {"detail": error.reason, "hint": "fields: id, name"}
    assert describe_refusal(400, "no", Rejected("no")) == {"detail": "no"}
    refused = GraphRefused(["line 1: it is wrong"])
    assert describe_refusal(400, refused.reason, refused)["hint"] == "nothing was changed"


def test_k3_13_clients_compare_the_whole_body_of_the_refusal_to_delete_an_active_job() -> None:
    assert describe_refusal(403, JobIsActive().reason, JobIsActive()) == {
        "detail": "Cannot delete running job resource."
    }


def test_a_defect_of_ours_tells_nothing_of_itself() -> None:
    assert describe_refusal(500, "Internal Server Error", Broken("x", hint="y")) == {"detail": "Internal Server Error"}
