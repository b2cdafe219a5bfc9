"""The benchmark of the web page compares each figure with its limit, and draws the graph that it promises."""

import io
from collections import Counter

from rich.console import Console

from ewms.workflows.checking import find_complaints
from tests.bench.page import N_NODES, Row, make_graph, make_table


def test_each_figure_is_shown_as_a_ratio_of_its_limit() -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(make_table([Row("paint", 0.25, 0.5, "s"), Row("tab", 3.0, 1.0, "% of a core")], "the page"))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert ("0.25 s" in text, "0.50" in text, "3 % of a core" in text, "3.00" in text) == (True,) * 4


def test_the_graph_has_as_many_tasks_as_the_limit_is_for_joined_by_queues_of_one_writer_and_one_reader() -> None:
    request = make_graph().request([])
    assert len(request["tasks"]) == N_NODES
    assert find_complaints(request) == []
    read = Counter(queue for task in request["tasks"] for queue in task["input_queue_aliases"])
    written = Counter(queue for task in request["tasks"] for queue in task["output_queue_aliases"])
    public = set(request["public_queue_aliases"])
    assert {*read.values(), *written.values()} == {1}
    assert set(read) ^ set(written) == public
