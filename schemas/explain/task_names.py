"""Name a task for people. A task directive has an id, and no name of its own."""

from typing import Protocol

from schemas.pilot.options import Platform

_MOST_CHARACTERS = 60


class RunsImage(Protocol):
    """A task with its image and its arguments."""

    @property
    def task_image(self) -> str:
        """The name of the image, or `none`."""
        ...

    @property
    def task_args(self) -> str:
        """The arguments."""
        ...


def name_task(task: RunsImage) -> str:
    """Return the last part of the task's image, or its arguments if it has none. A long name ends with `…`."""
    image = task.task_image.rstrip("/").rpartition("/")[2]
    name = " ".join(task.task_args.split()) if image == Platform.NONE else image
    return name if len(name) <= _MOST_CHARACTERS else f"{name[:_MOST_CHARACTERS]}…"
