"""The base classes of questions between services, and of their answers.

A question needs an answer at once. Questions and answers are not stored: if an answer is lost, the asker asks again.
The asker is the AMQP user that the broker has checked (`user_id`), not a claim within the question.

Each class has its `kind` as the default of that field. Its definition registers the class under that kind.

Questions are in the other modules of this package, and in `schemas.attempts`: `failed_history`, `done_history` and
`dead_letters`.
"""

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from schemas.broker.services import Service
from schemas.lazy_model import LazyModel
from schemas.registry import register_class

#: Every class defined in this process, by its `kind`.
QUESTIONS: "dict[str, type[Question]]" = {}
ANSWERS: "dict[str, type[Answer]]" = {}


class Question(LazyModel):
    """A question to one service."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: The service that answers. If the service has several instances, the asker names one instance.
    TO: ClassVar[str]

    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the class, unless it is only a base class."""
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.model_fields["kind"].is_required():
            register_class(QUESTIONS, cls.model_fields["kind"].default, cls)


class Answer(LazyModel):
    """An answer to a question, or a refusal to answer. Bytes are in base64."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the class, unless it is only a base class."""
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.model_fields["kind"].is_required():
            register_class(ANSWERS, cls.model_fields["kind"].default, cls)


class MqsQuestion(Question):
    """A question that MQS answers."""

    TO: ClassVar = Service.MQS


class WmsQuestion(Question):
    """A question that WMS answers."""

    TO: ClassVar = Service.WMS


class TmsQuestion(Question):
    """A question that a TMS answers. The argument `to` of `Bus.ask` names the TMS."""

    TO: ClassVar = Service.TMS


class VersionQuery(Question):
    """A question that each service answers by itself. The argument `to` of `Bus.ask` names the service."""

    TO: ClassVar = ""

    kind: Literal["version"] = "version"


class VersionAnswer(Answer):
    """The version of EWMS that the service runs."""

    kind: Literal["version"] = "version"
    version: str


class Refusal(Answer):
    """The service cannot answer the question. `code` names the error family."""

    kind: Literal["refusal"] = "refusal"
    code: int
    error: str
    hint: str = ""
