"""Surveys: the questions that a launch of a template must answer."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from schemas.stored_enum import StoredEnum


class QuestionType(StoredEnum):
    """The type of a question in a survey."""

    TEXT = "text"
    TEXTAREA = "textarea"
    PASSWORD = "password"  # noqa: S105 - a type of question
    INTEGER = "integer"
    FLOAT = "float"
    MULTIPLECHOICE = "multiplechoice"
    MULTISELECT = "multiselect"


class SurveyModel(BaseModel):
    """The base class of the parts of a survey. Readers ignore fields of a later version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class SurveyQuestion(SurveyModel):
    """One question of a survey. The answer becomes the variable `variable`."""

    variable: str
    question_name: str
    question_description: str = ""
    type: QuestionType = QuestionType.TEXT
    required: bool = True
    default: Any = ""
    choices: tuple[str, ...] = ()
    #: The least and the greatest number; for a text, the numbers of characters. None means no limit.
    min: int | float | None = None
    max: int | float | None = None


class Survey(SurveyModel):
    """The survey of a template."""

    name: str = ""
    description: str = ""
    spec: tuple[SurveyQuestion, ...] = ()

    @property
    def variables(self) -> frozenset[str]:
        """The names of the variables that the survey asks for."""
        return frozenset(question.variable for question in self.spec)

    @property
    def passwords(self) -> frozenset[str]:
        """The names of the variables whose values are secret."""
        return frozenset(each.variable for each in self.spec if each.type is QuestionType.PASSWORD)
