"""Keep secrets out of the documents of a workflow: they have masks in their place, and the texts sealed beside. (core)

    task_args       "load --password $encrypted$"     in the task directive, in answers, and in the event in the outbox
    sealed_texts    "fernet-json:..."                 beside it: {"task_args": "load --password correct-horse"}

The texts come back in the order to start a taskforce, when it leaves for the TMS, and nowhere else.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from schemas.api.workflows.requests import WorkflowRequest
from schemas.errors import Rejected
from schemas.events import TaskOrder
from wms.fleet.life.workflow_requests import NewWorkflow

#: The fields of a task whose texts may have secrets.
_MAY_HAVE_SECRETS = ("task_args", "task_env", "init_args", "init_env")

Seal = Callable[[Any], str]
Unseal = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class SealedTexts:
    """The fields of a task with secrets: as everybody may see them, and sealed as they are."""

    shown: Mapping[str, Any]
    sealed: str


def seal_texts(request: Mapping[str, Any], shown: Mapping[str, Any], seal: Seal) -> dict[int, SealedTexts]:
    """Return the sealed texts of the tasks of `request` by their places. `shown` is the same request with masks.

    Raises:
        Rejected: a secret is where it cannot be kept encrypted.
    """
    places = dict.fromkeys(_find_places(request, shown, ()))
    if not places:
        return {}
    for place in places:
        if len(place) < 3 or place[0] != "tasks" or place[2] not in _MAY_HAVE_SECRETS:
            raise Rejected(
                f"{'.'.join(map(str, place))!r} has a secret, which cannot be kept encrypted there",
                hint=f"a request may have secrets in {', '.join(_MAY_HAVE_SECRETS)} of its tasks",
            )
    real, masked = WorkflowRequest.model_validate(request).tasks, WorkflowRequest.model_validate(shown).tasks
    fields: dict[int, list[str]] = {}
    for _, task, field, *_ in places:
        fields.setdefault(int(task), []).append(str(field))
    return {
        task: SealedTexts(
            shown={name: getattr(masked[task], name) for name in names},
            sealed=seal({name: getattr(real[task], name) for name in names}),
        )
        for task, names in fields.items()
    }


def _find_places(one: Any, other: Any, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """Yield the places at which two JSON values of the same form differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in one:
            yield from _find_places(one[key], other.get(key), (*place, key))
    elif isinstance(one, list) and isinstance(other, list):
        for number, (each, its) in enumerate(zip(one, other, strict=True)):
            yield from _find_places(each, its, (*place, number))
    elif one != other:
        yield place


def hide_texts(new: NewWorkflow, sealed: Mapping[int, SealedTexts]) -> NewWorkflow:
    """Return a new workflow whose task directives have masks for the texts in `sealed`, which is by their places."""
    return replace(
        new,
        tasks=tuple(
            task
            if (texts := sealed.get(place)) is None
            else task.model_copy(update={**texts.shown, "sealed_texts": texts.sealed})
            for place, task in enumerate(new.tasks)
        ),
    )


def open_texts(task: TaskOrder, unseal: Unseal) -> TaskOrder:
    """Return the program of an order with its texts as they are."""
    return task.model_copy(update={**unseal(task.sealed_texts), "sealed_texts": ""}) if task.sealed_texts else task
