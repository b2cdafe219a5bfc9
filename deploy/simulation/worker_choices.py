"""Choose which numbers of workers to simulate, and check what a user asks for. (core)"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from schemas.errors import Rejected

#: Without a wish, all tasks have so many times their past number of workers.
_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)

MOST_CHOICES = 50
MOST_WORKERS = 100_000


@dataclass(frozen=True, slots=True)
class NamedTask:
    """A task, its name, and how many workers it had."""

    task_id: str
    name: str
    n_workers: int


#: Task id -> number of workers.
Workers = Mapping[str, int]


def list_choices(tasks: Sequence[NamedTask], wanted: Mapping[str, Sequence[int]]) -> list[Workers]:
    """Return the numbers of workers to simulate, in ascending order of their sums. The past numbers are among them.

    `wanted` is id or name of a task -> numbers. If it is empty, all tasks grow and shrink together.

    Raises:
        Rejected: a task is unknown, or its name means several tasks; a number is wrong; there are too many choices.
    """
    past = {task.task_id: task.n_workers for task in tasks}
    by_task: dict[str, list[int]] = {}
    for word, numbers in wanted.items():
        task_id = _find_task(word, tasks)
        _check_numbers(word, numbers)
        by_task.setdefault(task_id, []).extend(numbers)
    if by_task:
        n_choices = 1
        for numbers in by_task.values():
            n_choices *= len(set(numbers))
        if n_choices > MOST_CHOICES:
            raise Rejected(
                f"--workers: these numbers make {n_choices} combinations, and a simulation has at most {MOST_CHOICES}",
                hint="give fewer numbers, or one task at a time",
            )
        found = [
            {**past, **dict(zip(by_task, numbers, strict=True))}
            for numbers in product(*(sorted(set(numbers)) for numbers in by_task.values()))
        ]
    else:
        found = [{task_id: max(1, round(n * factor)) for task_id, n in past.items()} for factor in _FACTORS]
    choices = {tuple(one.values()): one for one in [past, *found]}
    for one in choices.values():
        if (n := sum(one.values())) > MOST_WORKERS:
            raise Rejected(
                f"--workers: {n} workers together are too many: a simulation has at most {MOST_WORKERS}",
                hint="give smaller numbers",
            )
    return sorted(choices.values(), key=lambda one: (sum(one.values()), *one.values()))


def _find_task(word: str, tasks: Sequence[NamedTask]) -> str:
    found = [task.task_id for task in tasks if word in (task.task_id, task.name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{task.task_id} ({task.name})" for task in tasks)
    if found:
        raise Rejected(
            f"--workers: {word!r} is the name of {len(found)} tasks", hint=f"give the id of one of them: {known}"
        )
    raise Rejected(f"--workers: this workflow has no task {word!r}", hint=f"its tasks: {known}")


def _check_numbers(word: str, numbers: Sequence[int]) -> None:
    for n in numbers:
        if n < 1:
            raise Rejected(f"--workers: {word} must have at least 1 worker, and {n} is given", hint="give 1 or more")
