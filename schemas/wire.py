"""Convert events, requests and answers to bytes and back. For invalid bytes, raise `Rejected`."""

import json
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from schemas.errors import Rejected
from schemas.events import ControlEvent
from schemas.questions.bases import ANSWERS, QUESTIONS, Answer, Question
from schemas.questions.queues import GrantAnswer
from schemas.questions.secrets import SecretsAnswer

EVENT_CONTENT_TYPE = "application/cloudevents+json"

Kind = TypeVar("Kind", Question, Answer)


def event_to_bytes(event: ControlEvent) -> bytes:
    """Return `event` as JSON (UTF-8)."""
    # A null in the payload has a meaning, so it stays. CloudEvents leaves out an absent trace context.
    return event.model_dump_json(exclude=None if event.traceparent else {"traceparent"}).encode()


def event_from_bytes(body: bytes) -> ControlEvent:
    """Return the event in `body`.

    Raises:
        UnknownType: the event is well formed, but this process does not know its type or major version.
        Rejected: `body` is not an event.
    """
    try:
        return ControlEvent.model_validate(json.loads(body))
    except (ValidationError, ValueError, RecursionError) as error:
        raise Rejected(f"not an event: {_describe_briefly(error)}") from error


def request_to_bytes(request: Question) -> bytes:
    """Return `request` as JSON."""
    return request.model_dump_json().encode()


def request_from_bytes(body: bytes) -> Question:
    """Return the request in `body`.

    Raises:
        Rejected: `body` is not a request.
    """
    try:
        return _parse_by_kind(body, QUESTIONS)
    except ValidationError as error:
        raise Rejected(f"not a request: {_describe_briefly(error)}") from error


def answer_to_bytes(answer: Answer) -> bytes:
    """Return `answer` as JSON. Only this function writes a granted token and secrets as plain text."""
    raw = answer.model_dump(mode="json")
    match answer:
        case GrantAnswer(token=SecretStr() as token):
            raw["token"] = token.get_secret_value()
        case SecretsAnswer(values=values):
            raw["values"] = {name: value.get_secret_value() for name, value in values.items()}
    return json.dumps(raw).encode()


def answer_from_bytes(body: bytes) -> Answer:
    """Return the answer in `body`.

    Raises:
        Rejected: `body` is not an answer.
    """
    try:
        return _parse_by_kind(body, ANSWERS)
    except ValidationError as error:
        raise Rejected(f"not an answer: {_describe_briefly(error)}") from error


def _parse_by_kind(body: bytes, kinds: Mapping[str, type[Kind]]) -> Kind:
    kind = _Kinded.model_validate_json(body).kind
    if kind not in kinds:
        raise Rejected(f"this version does not know the kind {kind[:100]!r}")
    return kinds[kind].model_validate_json(body)


class _Kinded(BaseModel):
    kind: str


def _describe_briefly(error: Exception) -> str:
    # Leave the values out: a body may contain secrets, and logs must not.
    if isinstance(error, ValidationError):
        problems = (f"{'.'.join(map(str, p['loc'])) or 'body'}: {p['msg']}" for p in error.errors()[:5])
        return "; ".join(problems)
    return type(error).__name__
