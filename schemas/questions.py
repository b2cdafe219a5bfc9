"""The base classes of questions between services, and of their answers.

A question needs an answer at once. No service stores either: if the answer is lost, the asker asks again. The asker is
the AMQP user that the broker has checked (`user_id`), not a claim within the question.

Each class has its `kind` as the default of that field, and registers itself under it at its definition.
Questions are in `schemas.requests`, `schemas.failures.history`, `schemas.failures.dead_letters` and `schemas.logs`.
"""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from schemas.registry import register_class
from schemas.services import Service

#: Every class defined in this process, by its `kind`.
QUESTIONS: "dict[str, type[Question]]" = {}
ANSWERS: "dict[str, type[Answer]]" = {}


class Question(BaseModel):
    """A question to one service."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: The service that answers. If it has several instances, the asker names one.
    TO: ClassVar[str]

    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the class, unless it is only a base class."""
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.model_fields["kind"].is_required():
            register_class(QUESTIONS, cls.model_fields["kind"].default, cls)


class Answer(BaseModel):
    """An answer to a question, or the refusal of one. Bytes in it are in base64."""

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


class TmsQuestion(Question):
    """A question that a TMS answers. The asker names the TMS."""

    TO: ClassVar = Service.TMS


class Refusal(Answer):
    """The service cannot answer the question. `code` names the error family."""

    kind: Literal["refusal"] = "refusal"
    code: int
    error: str
    hint: str = ""
