"""Keep secrets out of the documents of a workflow: they have masks in their place, and the texts sealed beside. (core)

    task_args       "load --password $encrypted$"     in the task directive, in answers, and in the order to the TMS
    sealed_texts    "fernet-json:..."                 beside it: {"task_args": "load --password correct-horse"}

The order names the texts as a secret of the task (`PROGRAM_SECRET`). The TMS that starts it asks WMS for them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from schemas.api.workflows.requests import WorkflowRequest
from schemas.errors import Rejected
from schemas.pilot.pilot_wire import write_program_secret
from schemas.rules.secret_names import MAX_SECRETS_BYTES
from wms.fleet.choices.locations import LocationMap
from wms.fleet.life.workflow_requests import NewWorkflow

#: The fields of a task whose texts may have secrets.
_MAY_HAVE_SECRETS = ("task_args", "task_env", "init_args", "init_env")

Seal = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class SealedTexts:
    """The fields of a task with secrets: as everybody may see them, and sealed as they are."""

    shown: Mapping[str, Any]
    sealed: str


def seal_texts(request: Mapping[str, Any], shown: Mapping[str, Any], seal: Seal) -> dict[int, SealedTexts]:
    """Return the sealed texts of the tasks of `request` by their places. `shown` is the same request with masks.

    Raises:
        Rejected: a secret is where it cannot be kept encrypted, or the fields with secrets are too large.
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
    sealed: dict[int, SealedTexts] = {}
    for task, names in fields.items():
        texts = {name: getattr(real[task], name) for name in names}
        if (size := len(write_program_secret(texts))) > MAX_SECRETS_BYTES:
            raise Rejected(
                f"'tasks.{task}': its fields with secrets have {size} bytes as JSON, and may have {MAX_SECRETS_BYTES}",
                hint="shorten them, or give the task a smaller secret",
            )
        sealed[task] = SealedTexts(shown={name: getattr(masked[task], name) for name in names}, sealed=seal(texts))
    return sealed


def refuse_secret_events(events: Sequence[Any], shown: Sequence[Any]) -> None:
    """Refuse a secret in the `events` that a node publishes. `shown` are the same events with masks.

    Raises:
        Rejected: an event has a secret. Queues and dead letters would keep it in clear.
    """
    for place in _find_places(list(events), list(shown), ("events",)):
        raise Rejected(
            f"{'.'.join(map(str, place))!r} has a secret, and whoever reads the queue would see it",
            hint=f"give it to the task: {', '.join(_MAY_HAVE_SECRETS)}",
        )


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


def refuse_polling_locations(new: NewWorkflow, locations: LocationMap) -> None:
    """Refuse a task with hidden texts at a location whose TMS polls, because such a TMS asks for no secrets.

    Raises:
        Rejected: there is such a task.
    """
    for place, task in enumerate(new.tasks):
        if not task.sealed_texts:
            continue
        for name in task.cluster_locations:
            if not locations.find_location(name).port.takes_orders:
                raise Rejected(
                    f"'tasks.{place}.cluster_locations': names {name}, whose TMS polls over REST, and so it cannot get "
                    "the passwords of the task",
                    hint="choose locations whose TMS takes events, or run the task without passwords there",
                )
