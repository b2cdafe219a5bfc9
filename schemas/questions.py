"""Questions that want an answer at once, and their answers: the classes that they are made from.

Nothing of this is persisted: a question whose answer was lost is asked again. Who asks is the AMQP user that the
broker has checked (`user_id`), not something that the question claims.

A question's `kind`, and an answer's, is the default of its field; a class registers itself by it where it is defined.
Questions are in `schemas.requests`, `schemas.failures.history`, `schemas.failures.dead_letters` and `schemas.logs`.
"""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from schemas.registry import register_class
from schemas.services import Service

#: Every class that is defined in this process, by its `kind`.
QUESTIONS: "dict[str, type[Question]]" = {}
ANSWERS: "dict[str, type[Answer]]" = {}


class Question(BaseModel):
    """A question to one service."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: The service that answers it; of a service that runs several times the asker names the instance.
    TO: ClassVar[str]

    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the class, unless it is only there for others to be made from."""
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.model_fields["kind"].is_required():
            register_class(QUESTIONS, cls.model_fields["kind"].default, cls)


class Answer(BaseModel):
    """An answer to a question, or the refusal of one. Bytes in it travel in base64."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")

    kind: str

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the class, unless it is only there for others to be made from."""
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.model_fields["kind"].is_required():
            register_class(ANSWERS, cls.model_fields["kind"].default, cls)


class MqsQuestion(Question):
    """A question that MQS answers."""

    TO: ClassVar = Service.MQS


class TmsQuestion(Question):
    """A question that a TMS answers; its asker says which."""

    TO: ClassVar = Service.TMS


class Refusal(Answer):
    """The question cannot be answered: `code` names the error family."""

    kind: Literal["refusal"] = "refusal"
    code: int
    error: str
    hint: str = ""
