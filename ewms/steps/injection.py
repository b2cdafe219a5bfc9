"""Pass arguments to a function: by name from the state, and converted to UUIDs and models by annotation.

    def check(subscription: Node, node_name: str, port_ids: list[UUIDstr], state: State, attempts: int = 3)

`state` is the whole state. For the annotation UUID, or a list of UUIDs, the function gets UUIDs made from the state's
texts. For a model, the function gets the stored subscription with the id in the state, because the state's own copy may
be old. Other annotations, and the annotation of the result, have no effect: the function gets the state's value.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

from ewms.steps.models.blocks import ProductBlockModel
from ewms.steps.models.lifecycles import WrongLifecycle
from ewms.steps.models.subscriptions import SubscriptionModel
from ewms.steps.step_scope import current_scope
from schemas.engine.subscriptions import SubscriptionLifecycle

_EMPTY = inspect.Parameter.empty


class MissingKey(KeyError):
    """The state lacks a key that a function needs."""

    def __init__(self, key: str, function: str) -> None:
        super().__init__(key)
        self.key = key
        self.function = function

    def __str__(self) -> str:
        return f"the state has no key {self.key!r}, which {self.function} takes as an argument"


@dataclass(frozen=True)
class Demand:
    """A parameter of a function, and how its argument is made from the state."""

    name: str
    #: Converts the state's value; None: the function gets that value unchanged.
    convert: Callable[[Any], Any] | None = None
    is_optional: bool = False
    default: Any = _EMPTY


def bind_arguments(function: Callable[..., Any], state: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for `function` from `state`. An argument named `state` is `state` itself, not a copy.

    Raises:
        MissingKey: the state lacks a key, and the parameter has no default.
        TypeError: an annotation cannot be used, or the function takes a parameter by position only.
        ValueError: a value is no UUID, or a model does not fit its subscription.
        LookupError: there is no such subscription or block.
    """
    arguments: dict[str, Any] = {}
    for demand in list_demands(function):
        if demand.name == "state":
            arguments["state"] = state
        elif demand.name in state:
            value = state[demand.name]
            convert = demand.convert if not (value is None and demand.is_optional) else None
            arguments[demand.name] = convert(value) if convert else value
        elif demand.default is not _EMPTY:
            continue
        elif demand.is_optional and demand.convert:
            arguments[demand.name] = None
        else:
            raise MissingKey(demand.name, getattr(function, "__name__", repr(function)))
    return arguments


@cache
def list_demands(function: Callable[..., Any]) -> tuple[Demand, ...]:
    """Return a demand for each parameter of `function` that can be passed by name. `*args` and `**kwargs` have none.

    Raises:
        TypeError: an annotation cannot be used, or the function takes a parameter by position only.
    """
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    demands = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            raise TypeError(f"{function.__name__} takes {parameter.name!r} by position only; a step gets all by name")
        if parameter.kind in named:
            annotation = _resolve_annotation(parameter, function)
            convert, is_optional = _read_demand(annotation, f"{parameter.name!r} of {function.__name__}")
            demands.append(Demand(parameter.name, convert, is_optional, parameter.default))
    return tuple(demands)


def _resolve_annotation(parameter: inspect.Parameter, function: Callable[..., Any]) -> Any:
    """Return the annotation as an object, even if `from __future__ import annotations` made it a text."""
    annotation = parameter.annotation
    if not isinstance(annotation, str):
        return annotation
    plain = inspect.unwrap(function)
    names = (
        {**getattr(plain, "__globals__", {}), **inspect.getclosurevars(plain).nonlocals}
        if inspect.isfunction(plain)
        else {}
    )
    try:
        return eval(annotation, names)  # noqa: S307 - the text is the author's own code, which Python kept as text
    except (NameError, AttributeError, SyntaxError) as error:
        raise TypeError(
            f"the annotation {annotation!r} of {parameter.name!r} in {function.__name__} means nothing at run time "
            f"({error}): import the name outside of `if TYPE_CHECKING`"
        ) from error


def _read_demand(annotation: Any, where: str) -> tuple[Callable[[Any], Any] | None, bool]:
    """Return the function that converts a value to `annotation` (None: no conversion), and whether None is allowed."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _read_demand(arguments[0], where)
    if origin in (Union, UnionType):
        kinds = [one for one in arguments if one is not NoneType]
        return _read_union(kinds, where), NoneType in arguments
    if origin is list or annotation is list:
        return _read_list(arguments, where), False
    if annotation is UUID:
        return _to_uuid, False
    if isinstance(annotation, type) and issubclass(annotation, SubscriptionModel):
        return lambda value: read_model((annotation,), value), False
    if isinstance(annotation, type) and issubclass(annotation, ProductBlockModel):
        return lambda value: read_block(annotation, value), False
    return None, False


def _read_union(kinds: list[Any], where: str) -> Callable[[Any], Any] | None:
    if len(kinds) == 1:
        return _read_demand(kinds[0], where)[0]
    models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, SubscriptionModel)]
    if not models:
        return None
    if len(models) < len(kinds):
        raise TypeError(f"{where} may be a model or something else; only models may stand together in a union")
    return lambda value: read_model(tuple(models), value)


def _read_list(arguments: tuple[Any, ...], where: str) -> Callable[[Any], Any] | None:
    if not arguments or arguments[0] is Any:
        raise TypeError(f"{where} is a list of anything; say what the list holds, as in list[str]")
    convert = _read_demand(arguments[0], where)[0]
    return None if convert is None else lambda values: [convert(value) for value in values]


def _to_uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))


def read_model(kinds: tuple[type[SubscriptionModel], ...], value: Any) -> SubscriptionModel:
    """Return the stored subscription with the id in `value`, as one of the classes `kinds`.

    `value` is an id, or a subscription as the state shows it.

    Raises:
        LookupError: there is no such subscription.
        WrongLifecycle: the subscription's lifecycle allows none of `kinds`.
    """
    scope = current_scope("a model as an argument")
    document = scope.read_subscription(_to_uuid(value["subscription_id"] if isinstance(value, Mapping) else value))
    if len(kinds) == 1:
        return kinds[0].from_document(document, scope)
    proper = [kind for kind in kinds if _is_class_for(kind, document.status)]
    if not proper:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise WrongLifecycle(f"subscription {document.subscription_id} is {document.status}, which is no {names}")
    return proper[0].from_document(document, scope)


def _is_class_for(kind: type[SubscriptionModel], status: SubscriptionLifecycle) -> bool:
    return kind.class_family is not None and kind.class_family.class_for(status) is kind


def read_block(kind: type[ProductBlockModel], value: Any) -> ProductBlockModel:
    """Return the stored block with the id in `value`, which is an id, or a block as the state shows it.

    Raises:
        LookupError: there is no such block.
    """
    return kind.from_db(_to_uuid(value["subscription_instance_id"] if isinstance(value, Mapping) else value))
