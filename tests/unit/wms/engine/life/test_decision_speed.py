"""What a decision costs: as much as it changes, however long the run is. Times are of this processor, with room."""

import time

from schemas.engine.graph import BranchingProfile, Convergence, EdgeKind
from tests.unit.wms.engine.graphs import make_graph
from tests.unit.wms.engine.walking import NOW, Walk, chain
from wms.engine.life.advance import advance
from wms.engine.life.open_run import find_inherited
from wms.engine.life.stimuli import Begin

S = EdgeKind.SUCCESS


def walk_chain(n_nodes: int) -> float:
    """Walk a chain from its begin to its end; return how many seconds of processor time that took."""
    walk = chain(*(f"n{number}" for number in range(n_nodes)))
    walk.begin()
    began = time.process_time()
    for number in range(n_nodes):
        walk.end(f"n{number}", delta={"last": number})
    took = time.process_time() - began
    assert walk.status == "successful"
    return took


def test_a_chain_of_10_000_nodes_is_walked_in_linear_time() -> None:
    short, long = walk_chain(1000), walk_chain(10_000)
    # Linear would be 10, and quadratic 100.
    assert long < 35 * short


def test_one_outcome_in_a_dag_of_1000_nodes_takes_two_milliseconds_at_most() -> None:
    # 30 layers of 33 nodes, each node below all of the layer above: 31 581 edges.
    layers, width = 30, 33
    edges = [
        (layer * width + source, S, (layer + 1) * width + target)
        for layer in range(layers - 1)
        for source in range(width)
        for target in range(width)
    ]
    joins = {number: {"convergence": Convergence.ALL} for number in range(layers * width)}
    walk = Walk(make_graph(BranchingProfile.DAG, layers * width, *edges, fields=joins)).begin()
    times = []
    for number in range(layers * width):
        began = time.process_time()
        walk.end(f"n{number}")
        times.append(time.process_time() - began)
    assert walk.status == "successful"
    times.sort()
    # The median is 0.3 ms on a quiet machine; the outcome that ends a layer makes 33 nodes due at once.
    assert times[len(times) // 2] < 0.002


def test_artifacts_reach_the_end_of_a_long_chain_without_being_copied() -> None:
    walk = chain(*(f"n{number}" for number in range(3000))).begin()
    walk.end("n0", artifacts={"ip": "::1"})
    for number in range(1, 3000):
        walk.end(f"n{number}")
    began = time.process_time()
    assert find_inherited(walk.run, 2999) == {"ip": "::1"}
    assert find_inherited(walk.run, 2999) is find_inherited(walk.run, 2)
    assert time.process_time() - began < 1.0


def test_a_decision_leaves_the_run_as_it_is() -> None:
    walk = chain("a", "b")
    nodes, facts = list(walk.run.nodes), walk.facts
    first, second = (advance(walk.run, Begin(), NOW) for _ in range(2))
    assert first == second
    assert (walk.run.nodes, walk.facts) == (nodes, facts)
