"""Drawings of templates and jobs: each node with its state and why, each edge with its kind."""

from schemas.engine.graph import BranchingProfile, EdgeKind
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import Walk
from wms.trees.jobs.drawing import draw_dot, draw_graph, draw_mermaid, draw_run, show_drawing

S, F, A = EdgeKind.SUCCESS, EdgeKind.FAILURE, EdgeKind.ALWAYS
TREE = BranchingProfile.TREE


def test_a_template_is_drawn_as_mermaid_and_dot() -> None:
    graph = make_graph(TREE, 3, (0, S, 1), (0, F, 2), fields={1: {"name": 'Say "hi" <b> #1\n'}})
    drawing = draw_graph(graph, [10, 11, 12])
    assert draw_mermaid(drawing) == (
        "flowchart TD\n"
        '  n0["Node 0"]\n  style n0 fill:#ffffff\n'
        "  n1[\"Say 'hi' &lt;b&gt; &num;1 \"]\n  style n1 fill:#ffffff\n"
        '  n2["Node 2"]\n  style n2 fill:#ffffff\n'
        "  n0 -->|success| n1\n  n0 -.->|failure| n2\n"
    )
    assert draw_dot(drawing) == (
        "digraph tree {\n  node [shape=box, style=filled];\n"
        '  n0 [label="Node 0", fillcolor="#ffffff"];\n'
        '  n1 [label="Say \'hi\' <b> #1 ", fillcolor="#ffffff"];\n'
        '  n2 [label="Node 2", fillcolor="#ffffff"];\n'
        '  n0 -> n1 [label="success", color="#1e8449"];\n  n0 -> n2 [label="failure", color="#b03a2e"];\n}\n'
    )
    assert show_drawing(drawing)["edges"][1] == {"source": 10, "kind": "failure", "target": 12}


def test_a_job_is_drawn_with_the_reason_of_each_state() -> None:
    graph = make_graph(TREE, 6, (0, S, 1), (0, F, 2), (1, S, 3), (4, A, 5))
    walk = Walk(graph).begin()
    walk.end("n0")
    walk.fail("n4")
    run = walk.facts.model_copy(update={"nodes": tuple(walk.run.nodes)})
    shown = show_drawing(draw_run(run))["nodes"]
    assert [(node["status"], node["why"]) for node in shown] == [
        ("successful", "a root"),
        ("due", "after success of Node 0 (successful)"),
        ("passed", "not after failure of Node 0 (successful)"),
        ("pending", "waits for success of Node 1 (due)"),
        ("failed", "no"),
        ("due", "after always of Node 4 (failed)"),
    ]
    assert shown[3]["id"] == 20003
    assert 'n1["Node 1<br/>due"]\n  style n1 fill:#aed6f1' in draw_mermaid(draw_run(run))
    assert 'label="Node 2\\npassed"' in draw_dot(draw_run(run))


def test_a_node_that_was_reused_says_from_which_job() -> None:
    walk = Walk(make_graph(TREE, 1)).begin()
    walk.end("n0")
    reused = walk.run.nodes[0].model_copy(update={"reused_from": 7})
    run = walk.facts.model_copy(update={"nodes": (reused,)})
    assert draw_run(run).nodes[0].why == "reused from job 7"
