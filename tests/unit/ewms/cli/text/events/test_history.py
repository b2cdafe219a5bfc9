"""The course of a queue at a glance, and its points as a table."""

from rich.console import Console

from ewms.cli.text.events.history import draw_course, history_view
from schemas.ids import Alias, Mqid
from schemas.questions.queues import QueueHistory, QueuePoints

QUEUE = QueueHistory(mqid=Mqid("a" * 21), alias=Alias("photons"), is_public=True, points=QueuePoints())


def shown(queue: QueueHistory, *, is_wide: bool = False) -> str:
    console = Console(width=160, record=True, file=None)
    with console.capture() as capture:
        console.print(history_view(queue, is_wide=is_wide))
    return capture.get()


def test_a_course_rises_with_its_numbers() -> None:
    assert draw_course([0, 1, 4, 8]) == " ▂▅█"
    assert draw_course([0, 0]) == "  "
    assert draw_course([]) == ""


def test_a_queue_without_samples_says_so() -> None:
    assert "nothing was counted in this time" in shown(QUEUE)


def test_wide_output_has_a_row_for_each_point() -> None:
    points = QueuePoints(
        at_s=[1795219200, 1795219260],
        n_ready=[3, 9],
        n_unacknowledged=[1, 2],
        n_delayed=[0, 0],
        n_consumers=[4, 4],
        oldest_s=[5, 65],
        in_per_s=[0.5, 1.25],
        out_per_s=[0.0, 2.0],
    )
    queue = QUEUE.model_copy(update={"points": points})
    assert "at most 9" in shown(queue)
    table = shown(queue, is_wide=True)
    assert "1.2" in table
    assert "65" in table
    assert "11-21 00:01:00" in table
