"""Jobs and nodes as the dialect shows them."""

from datetime import timedelta

from schemas.engine.graph import BranchingProfile
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import Walk
from wms.gateway.awx.shapes.job_shapes import show_job_node


def test_a_job_that_goes_on_has_been_going_on_until_now() -> None:
    walk = Walk(make_graph(BranchingProfile.TREE, 1)).begin()
    job = walk.facts.model_copy(update={"nodes": tuple(walk.run.nodes), "started_at": walk.now})
    shown = show_job_node(job, 0, job, now=walk.now + timedelta(seconds=7))
    assert shown["summary_fields"]["job"]["elapsed"] == 7.0
