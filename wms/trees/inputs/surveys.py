"""Check the specification of a survey, and the answers of a launch. (core)

    type                         an answer, and what `min` and `max` bound
    text, textarea, password     a text: its length
    integer, float               a number: its value
    multiplechoice               one of the choices
    multiselect                  a list of choices

A launch reports all faults of its answers together.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.automation.surveys import QuestionType, Survey, SurveyQuestion
from schemas.errors import Rejected
from schemas.rules.secret_names import MASK

_TEXTS = frozenset({QuestionType.TEXT, QuestionType.TEXTAREA, QuestionType.PASSWORD})
_NUMBERS = frozenset({QuestionType.INTEGER, QuestionType.FLOAT})
_CHOICES = frozenset({QuestionType.MULTIPLECHOICE, QuestionType.MULTISELECT})
_SURVEY_KEYS = ("name", "description", "spec")
_QUESTION_KEYS = ("type", "question_name", "variable", "required")


class SurveyRefused(Rejected):
    """The specification of a survey has a fault."""


def read_survey(raw: Any, *, kept: Survey | None = None) -> Survey:
    """Return the survey that `raw` specifies, readable. A masked default of a password means the one that is `kept`.

    A mask in the place of a `kept` default means that it cannot be read any more.

    Raises:
        SurveyRefused: it has a fault; the error names the question by its place, from 0.
    """
    if not isinstance(raw, Mapping):
        raise SurveyRefused("the survey must be an object")
    for key in _SURVEY_KEYS:
        if key not in raw:
            raise SurveyRefused(f"'{key}' is missing from the survey")
    for key in ("name", "description"):
        if not isinstance(raw[key], str):
            raise SurveyRefused(f"'{key}' of the survey must be a text")
    if not isinstance(raw["spec"], Sequence) or isinstance(raw["spec"], str) or not raw["spec"]:
        raise SurveyRefused("'spec' of the survey must be a list of at least one question")
    questions: list[SurveyQuestion] = []
    for number, each in enumerate(raw["spec"]):
        question = _read_question(each, f"question {number}", kept)
        if any(question.variable == earlier.variable for earlier in questions):
            raise SurveyRefused(f"question {number} has the variable {question.variable!r} of an earlier question")
        questions.append(question)
    return Survey(name=raw["name"], description=raw["description"], spec=tuple(questions))


def _read_question(raw: Any, where: str, kept: Survey | None) -> SurveyQuestion:
    if not isinstance(raw, Mapping):
        raise SurveyRefused(f"{where} must be an object")
    for key in _QUESTION_KEYS:
        if key not in raw:
            raise SurveyRefused(f"'{key}' is missing from {where}")
    kind = QuestionType(raw["type"]) if raw["type"] in list(QuestionType) else None
    if kind is None:
        raise SurveyRefused(f"'type' of {where} is {raw['type']!r}; it must be one of {', '.join(QuestionType)}")
    for key in ("variable", "question_name"):
        if not isinstance(raw[key], str) or not raw[key].strip():
            raise SurveyRefused(f"'{key}' of {where} must be a text that is not empty")
    choices = _read_choices(raw.get("choices"), where) if kind in _CHOICES else ()
    bounds = {key: _read_bound(raw.get(key), f"'{key}' of {where}") for key in ("min", "max")}
    default = raw.get("default", "")
    variable = raw["variable"].strip()
    if kind is QuestionType.PASSWORD and default == MASK:
        spec = () if kept is None else kept.spec
        known = (each for each in spec if each.type is QuestionType.PASSWORD and each.variable == variable)
        default = next((each.default for each in known), MASK)
        if default == MASK:
            raise SurveyRefused(f"'default' of {where}: {MASK} stands for no default that is stored; give it again")
    question = SurveyQuestion(
        variable=variable,
        question_name=raw["question_name"],
        question_description=str(raw.get("question_description") or ""),
        type=kind,
        required=bool(raw["required"]),
        default="" if default is None else default,
        choices=choices,
        **bounds,
    )
    if question.default not in ("", []) and (fault := find_answer_fault(question, _read_default(question))):
        raise SurveyRefused(f"'default' of {where}: {fault}")
    return question.model_copy(update={"default": _read_default(question)})


def _read_choices(raw: Any, where: str) -> tuple[str, ...]:
    listed = raw.splitlines() if isinstance(raw, str) else raw
    if not isinstance(listed, Sequence) or not listed or not all(isinstance(each, str) for each in listed):
        raise SurveyRefused(f"'choices' of {where} must be a list of texts, or a text with one choice a line")
    return tuple(each for each in listed if each)


def _read_bound(raw: Any, what: str) -> int | float | None:
    if raw is None or raw == "":
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise SurveyRefused(f"{what} must be a number")
    return raw


def _read_default(question: SurveyQuestion) -> Any:
    if question.type is QuestionType.MULTISELECT and isinstance(question.default, str):
        return [line for line in question.default.splitlines() if line]
    return question.default


def find_answer_fault(question: SurveyQuestion, answer: Any) -> str:
    """Return why `answer` does not answer `question`; empty: it does."""
    name = repr(question.variable)
    if question.type in _TEXTS:
        if not isinstance(answer, str):
            return f"{name} must be a text"
        return _find_bound_fault(question, len(answer), f"the length of {name}")
    if question.type in _NUMBERS:
        allowed = int if question.type is QuestionType.INTEGER else int | float
        if isinstance(answer, bool) or not isinstance(answer, allowed):
            return f"{name} must be {'a whole number' if allowed is int else 'a number'}"
        return _find_bound_fault(question, answer, name)
    if question.type is QuestionType.MULTISELECT and not isinstance(answer, list):
        return f"{name} must be a list"
    chosen = answer if question.type is QuestionType.MULTISELECT else [answer]
    wrong = [each for each in chosen if each not in question.choices]
    return f"{name}: {wrong[0]!r} is none of {', '.join(question.choices)}" if wrong else ""


def _find_bound_fault(question: SurveyQuestion, value: float, what: str) -> str:
    if question.min is not None and value < question.min:
        return f"{what} is {value}, and must be at least {question.min}"
    if question.max is not None and value > question.max:
        return f"{what} is {value}, and must be at most {question.max}"
    return ""


def find_survey_faults(survey: Survey, answers: Mapping[str, Any]) -> list[str]:
    """Return the faults of all `answers`, and the required ones that are missing. A default counts as an answer.

    An empty text is no answer.
    """
    faults = []
    for question in survey.spec:
        answer = answers.get(question.variable)
        if answer is None or answer in ("", []):
            if question.required and question.default in ("", []):
                faults.append(f"{question.variable!r} is missing")
        elif fault := find_answer_fault(question, answer):
            faults.append(fault)
    return faults


def find_defaults(survey: Survey) -> dict[str, Any]:
    """Return the defaults of the questions that have one, by the question's variable."""
    return {each.variable: each.default for each in survey.spec if each.default not in ("", [])}


def map_passwords(survey: Survey, change: Callable[[Any], Any]) -> Survey:
    """Return a survey whose defaults of passwords went through `change`. Empty ones stay empty."""
    spec = tuple(
        each.model_copy(update={"default": change(each.default)})
        if each.type is QuestionType.PASSWORD and each.default != ""
        else each
        for each in survey.spec
    )
    return survey.model_copy(update={"spec": spec})


def mask_survey(survey: Survey) -> dict[str, Any]:
    """Return the survey for somebody's eyes: defaults of passwords are masked. Without questions: an empty object."""
    return map_passwords(survey, lambda _: MASK).model_dump(mode="json") if survey.spec else {}
