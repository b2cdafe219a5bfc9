"""What a launch gives: the order of 1.6, what is ignored, and that saving refuses what nobody asked for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.automation.surveys import QuestionType, Survey, SurveyQuestion
from schemas.automation.trees import Prompt, TemplateDocument
from schemas.rules.secret_names import MASK
from tests.unit.wms.trees.template_samples import make_template
from wms.engine.life.variables import find_variables
from wms.gateway.awx.shapes.template_shapes import show_own_variables
from wms.trees.inputs.launch_values import (
    LaunchRefused,
    NotAsked,
    check_saved_values,
    merge_launch_values,
    seal_variables,
    split_variables,
)
from wms.trees.template_errors import FieldsRefused


def seal(value: Any) -> str:
    return f"sealed:{value}"


def survey(*names: str, **fields: Any) -> Survey:
    return Survey(
        spec=tuple(
            SurveyQuestion.model_validate({"variable": name, "question_name": name, "required": False, **fields})
            for name in names
        )
    )


def test_1_6_the_launch_wins_over_the_survey_and_that_over_the_template() -> None:
    template = make_template(
        variables={"a": "template", "b": "template", "c": "template"},
        survey=survey("b", "c", default="survey"),
        survey_enabled=True,
        asks=[Prompt.VARIABLES],
    )
    values = merge_launch_values(template, extra_vars={"c": "launch", "d": "launch"}, prompts={}, seal=seal)
    assert values.variables == {"a": "template", "b": "survey", "c": "launch", "d": "launch"}
    assert values.ignored == {}


def test_1_6_a_launch_gives_only_what_the_template_asks_for_and_the_answer_says_what_it_ignored() -> None:
    template = make_template(survey=survey("b"), survey_enabled=True)
    values = merge_launch_values(
        template, extra_vars={"b": "x", "z": 1}, prompts={"limit": "web", "labels": [1]}, seal=seal
    )
    assert values.variables == {"b": "x"}
    assert values.ignored == {"extra_vars": {"z": 1}, "limit": "web", "labels": [1]}
    asks = make_template(asks=[Prompt.LIMIT])
    assert merge_launch_values(asks, extra_vars={}, prompts={"limit": "web"}, seal=seal).prompts == {
        Prompt.LIMIT: "web"
    }


def test_1_6_a_survey_that_is_off_asks_for_nothing() -> None:
    template = make_template(survey=survey("b", required=True))
    assert merge_launch_values(template, extra_vars={"b": "x"}, prompts={}, seal=seal).ignored == {
        "extra_vars": {"b": "x"}
    }


def test_1_6_missing_answers_refuse_the_launch() -> None:
    template = make_template(survey=survey("a", "b", required=True), survey_enabled=True)
    with pytest.raises(LaunchRefused) as refused:
        merge_launch_values(template, extra_vars={"a": 3}, prompts={}, seal=seal)
    assert refused.value.faults == ("'a' must be a text", "'b' is missing")


def test_1_6_an_empty_answer_leaves_the_default() -> None:
    template = make_template(survey=survey("a", default="d"), survey_enabled=True)
    assert merge_launch_values(template, extra_vars={"a": ""}, prompts={}, seal=seal).variables == {"a": "d"}


def test_1_6_a_node_is_refused_with_what_its_template_does_not_ask_for() -> None:
    template = make_template(survey=survey("b"), survey_enabled=True, asks=[Prompt.LIMIT])
    check_saved_values(template, extra_data={"b": 1}, prompts={"limit": "x", "scm_branch": ""})
    with pytest.raises(NotAsked, match=r"variables z: the template 'release' is not configured to prompt") as refused:
        check_saved_values(template, extra_data={"z": 1}, prompts={})
    assert refused.value.hint == "leave them out, set ask_variables_on_launch there, or name them in its survey"
    with pytest.raises(NotAsked, match="scm_branch") as refused:
        check_saved_values(template, extra_data={}, prompts={"scm_branch": "main"})
    assert refused.value.hint == "leave it out, or set ask_scm_branch_on_launch there"
    with pytest.raises(NotAsked, match="inventory, job_tags") as refused:
        check_saved_values(template, extra_data={}, prompts={"inventory": 3, "job_tags": "a"})
    assert refused.value.hint == "leave it out, or set ask_inventory_on_launch and ask_tags_on_launch there"


NAMES = st.sampled_from("abcdef")
VALUES = st.dictionaries(NAMES, st.integers(1, 9), max_size=6)


@given(VALUES, st.sets(NAMES), st.sets(NAMES), VALUES, st.booleans(), st.booleans())
def test_1_6_the_merge_agrees_with_the_order_of_the_contract(
    own: dict[str, int], asked: set[str], with_default: set[str], launched: dict[str, int], on: bool, asks: bool
) -> None:
    questions = tuple(
        SurveyQuestion(
            variable=name,
            question_name=name,
            type=QuestionType.INTEGER,
            required=False,
            default=77 if name in with_default else "",
        )
        for name in sorted(asked)
    )
    template = make_template(
        variables=own, survey=Survey(spec=questions), survey_enabled=on, asks=[Prompt.VARIABLES] if asks else []
    )
    values = merge_launch_values(template, extra_vars=launched, prompts={}, seal=seal)
    for name in "abcdef":
        # The oracle: look from the strongest to the weakest source.
        if name in launched and (asks or (on and name in asked)):
            expected: int | None = launched[name]
        elif on and name in asked and name in with_default:
            expected = 77
        else:
            expected = own.get(name)
        assert values.variables.get(name) == expected
        was_ignored = name in launched and not asks and not (on and name in asked)
        assert (name in values.ignored.get("extra_vars", {})) == was_ignored


@given(VALUES, VALUES, VALUES, VALUES)
def test_1_6_variables_reach_a_job_in_the_order_of_the_contract(
    own: dict[str, int], of_node: dict[str, int], artifacts: dict[str, int], launched: dict[str, int]
) -> None:
    reached = {**own, **find_variables(of_node, artifacts, launched)}
    for name in "abcdef":
        sources = (launched, artifacts, of_node, own)
        assert reached.get(name) == next((source[name] for source in sources if name in source), None)


def test_split_tells_apart_what_is_asked_for() -> None:
    template: TemplateDocument = make_template(survey=survey("a"), survey_enabled=True)
    assert split_variables(template, {"a": 1, "b": 2}) == ({"a": 1}, {"b": 2})


def test_a_password_of_a_launch_is_sealed_and_a_mask_means_the_default() -> None:
    asking = survey("pw", "other", type="password", default="sealed:stored")
    template = make_template(variables={"own": "sealed:own"}, masked=("own",), survey=asking, survey_enabled=True)
    values = merge_launch_values(template, extra_vars={"pw": "hush", "other": MASK}, prompts={}, seal=seal)
    assert values.variables == {"own": "sealed:own", "pw": "sealed:hush", "other": "sealed:stored"}
    assert values.masked == ("other", "own", "pw")
    needed = make_template(survey=survey("pw", type="password", required=True), survey_enabled=True)
    with pytest.raises(LaunchRefused, match="'pw' is missing"):
        merge_launch_values(needed, extra_vars={"pw": MASK}, prompts={}, seal=seal)


def test_the_own_variables_of_a_template_are_sealed_where_its_survey_makes_them_secret() -> None:
    open_one = make_template(extra_vars="pw: hush  # ours\na: 1", variables={"pw": "hush", "a": 1})
    asked = open_one.model_copy(update={"survey": survey("pw", type="password")})
    sealed = seal_variables(open_one, asked, seal)
    assert (sealed.variables, sealed.masked, sealed.extra_vars) == ({"pw": "sealed:hush", "a": 1}, ("pw",), "")
    assert show_own_variables(sealed) == f'{{"pw": "{MASK}", "a": 1}}'
    again = seal_variables(sealed, sealed.model_copy(update={"variables": {"pw": MASK, "a": 2}}), seal)
    assert again.variables == {"pw": "sealed:hush", "a": 2}
    without = seal_variables(sealed, sealed.model_copy(update={"survey": Survey()}), seal)
    assert (without.variables["pw"], without.masked) == ("sealed:hush", ("pw",)), "it stays secret"
    with pytest.raises(FieldsRefused) as refused:
        seal_variables(open_one, asked.model_copy(update={"variables": {"pw": MASK}}), seal)
    assert "extra_vars" in refused.value.fields
