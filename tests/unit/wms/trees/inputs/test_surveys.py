"""Surveys: every fault of 1.6 in the contract, of a specification and of answers."""

from typing import Any

import pytest

from schemas.automation.surveys import QuestionType, Survey, SurveyQuestion
from schemas.rules.secret_names import MASK
from wms.trees.inputs.surveys import (
    SurveyRefused,
    find_answer_fault,
    find_survey_faults,
    map_passwords,
    mask_survey,
    read_survey,
)

QUESTION = {"variable": "v", "question_name": "Which?", "type": "text", "required": True}


def spec(*questions: Any, **fields: Any) -> dict[str, Any]:
    return {"name": "", "description": "", "spec": list(questions), **fields}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ([], "the survey must be an object"),
        ({"name": "", "spec": [QUESTION]}, "'description' is missing from the survey"),
        ({"description": "", "spec": [QUESTION]}, "'name' is missing from the survey"),
        ({"name": "", "description": ""}, "'spec' is missing from the survey"),
        (spec(QUESTION, name=3), "'name' of the survey must be a text"),
        (spec(), "'spec' of the survey must be a list of at least one question"),
        (spec("v"), "question 0 must be an object"),
        (spec({**QUESTION, "type": "colour"}), "'type' of question 0 is 'colour'"),
        (spec(QUESTION, QUESTION), "question 1 has the variable 'v' of an earlier question"),
        (spec({**QUESTION, "variable": " "}), "'variable' of question 0 must be a text that is not empty"),
        (spec({**QUESTION, "type": "integer", "default": "x"}), "'default' of question 0: 'v' must be a whole number"),
        (spec({**QUESTION, "type": "multiplechoice"}), "'choices' of question 0 must be a list of texts"),
        (
            spec({**QUESTION, "type": "multiplechoice", "choices": ["a"], "default": "b"}),
            "'default' of question 0: 'v': 'b' is none of a",
        ),
        (spec({**QUESTION, "min": "few"}), "'min' of question 0 must be a number"),
        *((spec({k: v for k, v in QUESTION.items() if k != key}), f"'{key}' is missing") for key in QUESTION),
    ],
)
def test_1_6_a_specification_with_a_fault_is_refused(raw: Any, said: str) -> None:
    with pytest.raises(SurveyRefused) as refused:
        read_survey(raw)
    assert said in refused.value.reason


def test_choices_may_come_as_lines_and_so_may_the_defaults_of_several() -> None:
    raw = {**QUESTION, "type": "multiselect", "choices": "a\nb\nc", "default": "a\nb"}
    question = read_survey(spec(raw)).spec[0]
    assert (question.choices, question.default) == (("a", "b", "c"), ["a", "b"])


def make_question(kind: str, **fields: Any) -> SurveyQuestion:
    return SurveyQuestion(variable="v", question_name="?", type=QuestionType(kind), **fields)


@pytest.mark.parametrize(
    ("question", "answer", "said"),
    [
        (make_question("text"), 3, "'v' must be a text"),
        (make_question("textarea", min=2), "x", "the length of 'v' is 1, and must be at least 2"),
        (make_question("password", max=2), "xyz", "the length of 'v' is 3, and must be at most 2"),
        (make_question("integer"), "3", "'v' must be a whole number"),
        (make_question("integer"), True, "'v' must be a whole number"),
        (make_question("integer", min=5), 4, "'v' is 4, and must be at least 5"),
        (make_question("integer", max=5), 5, ""),
        (make_question("float"), "x", "'v' must be a number"),
        (make_question("float", max=0.5), 0.6, "'v' is 0.6, and must be at most 0.5"),
        (make_question("float"), 1, ""),
        (make_question("multiplechoice", choices=("a", "b")), "c", "'v': 'c' is none of a, b"),
        (make_question("multiplechoice", choices=("a", "b")), "b", ""),
        (make_question("multiselect", choices=("a", "b")), "a", "'v' must be a list"),
        (make_question("multiselect", choices=("a", "b")), ["a", "z"], "'v': 'z' is none of a, b"),
        (make_question("multiselect", choices=("a", "b")), ["b", "a"], ""),
    ],
)
def test_1_6_an_answer_fits_its_question_or_the_fault_says_why(
    question: SurveyQuestion, answer: Any, said: str
) -> None:
    assert find_answer_fault(question, answer) == said


def test_1_6_all_faults_are_told_together_and_a_default_is_an_answer() -> None:
    survey = Survey(
        spec=(
            make_question("text").model_copy(update={"variable": "a"}),
            make_question("integer").model_copy(update={"variable": "b"}),
            make_question("text", default="x").model_copy(update={"variable": "c"}),
            make_question("text", required=False).model_copy(update={"variable": "d"}),
        )
    )
    assert find_survey_faults(survey, {"b": "3", "a": ""}) == ["'a' is missing", "'b' must be a whole number"]
    assert find_survey_faults(survey, {"b": 3, "a": "z"}) == []


def test_1_6_a_password_is_masked_and_the_mask_keeps_the_stored_value() -> None:
    raw = {**QUESTION, "type": "password", "default": "s3cret"}
    survey = read_survey(spec(raw))
    shown = mask_survey(survey)
    assert shown["spec"][0]["default"] == MASK
    assert "s3cret" not in repr(shown)
    assert read_survey(shown, kept=survey).spec[0].default == "s3cret"
    assert mask_survey(Survey()) == {}
    for kept in (None, Survey(), map_passwords(survey, lambda _: MASK)):
        with pytest.raises(SurveyRefused, match="give it again"):
            read_survey(shown, kept=kept)


def test_only_defaults_of_passwords_are_mapped() -> None:
    survey = read_survey(
        spec({**QUESTION, "type": "password", "default": "secret"}, {**QUESTION, "variable": "b", "default": "c"})
    )
    sealed = map_passwords(survey, lambda text: f"<{text}>")
    assert [each.default for each in sealed.spec] == ["<secret>", "c"]
