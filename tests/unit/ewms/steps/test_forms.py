"""Forms of the pydantic-forms library: one page, several, sub forms, and the pages that decorators put first."""

from typing import Any

import pytest

from ewms.steps import (
    Choice,
    FormGenerator,
    FormPage,
    Label,
    State,
    StepList,
    SubscriptionLifecycle,
    Target,
    begin,
    choice_list,
    create_workflow,
    done,
    init,
    modify_workflow,
    reconcile_workflow,
    register_product,
    register_workflow,
    step,
    task,
    terminate_workflow,
    validate_workflow,
    workflow,
    wrap_create_initial_input_form,
)
from ewms.steps.form_answers import FormComplete, FormIncomplete, FormInvalid
from ewms.steps.testing import FormRefused, Rehearsal, StartRefused
from tests.unit.ewms.steps import enrollment


class Colour(Choice):
    RED = ("red", "Red")
    BLUE = ("blue", "Deep blue")


class ColourPage(FormPage):
    colour: Colour
    others: choice_list(Colour, min_items=1)  # type: ignore[valid-type]  # what the library asks authors to write
    note: Label = "Look here"  # type: ignore[assignment]  # what the library asks authors to write


def sub_form() -> FormGenerator:
    class NamePage(FormPage):
        name: str

    answer = yield NamePage
    return answer.model_dump()


def several_pages(state: State) -> FormGenerator:
    first = yield ColourPage
    named = yield from sub_form()

    class SurePage(FormPage):
        sure: bool = state["colour"] == "red"

    yield SurePage
    return {**first.model_dump(), **named, "sure": state.pop("sure")}


@task("With one page", initial_input_form=ColourPage)
def one_page() -> StepList:
    return begin


@task("With several pages", initial_input_form=several_pages)
def pages_in_turn() -> StepList:
    return begin


@task("Without a form")
def no_form() -> StepList:
    return begin


def ask(rehearsal: Rehearsal, name: str, *pages: State) -> Any:
    return rehearsal.fill_form(name, pages)


RED = {"colour": "red", "others": ["red", "blue"]}


@pytest.fixture(autouse=True)
def defined() -> None:
    from ewms.steps.definitions import add_definition

    for one in (one_page, pages_in_turn, no_form):
        add_definition(one)


def test_one_page_is_a_form(rehearsal: Rehearsal) -> None:
    answer = ask(rehearsal, "one_page")
    assert isinstance(answer, FormIncomplete)
    properties = answer.schema["properties"]
    assert answer.schema["$defs"]["Colour"]["options"] == {"red": "Red", "blue": "Deep blue"}
    assert properties["others"]["minItems"] == 1

    answer = ask(rehearsal, "one_page", RED)
    assert answer == FormComplete({"colour": "red", "others": ["red", "blue"], "note": "Look here"})


def test_several_pages_come_one_by_one_with_what_was_accepted_before_them_in_the_state(rehearsal: Rehearsal) -> None:
    titles = [ask(rehearsal, "pages_in_turn", *pages) for pages in ([], [RED], [RED, {"name": "x"}])]
    assert all(isinstance(one, FormIncomplete) for one in titles)
    assert titles[2].schema["properties"]["sure"]["default"] is True

    answer = ask(rehearsal, "pages_in_turn", RED, {"name": "x"}, {"sure": False})
    assert isinstance(answer, FormComplete)
    assert (answer.values["name"], answer.values["sure"], answer.values["colour"]) == ("x", False, "red")


def test_o13_a_wrong_page_is_told_by_field_and_too_many_are_refused(rehearsal: Rehearsal) -> None:
    answer = ask(rehearsal, "one_page", {"colour": "green", "others": ["red"]})
    assert isinstance(answer, FormInvalid)
    assert answer.errors[0]["loc"] == ["colour"]
    assert str(answer).startswith("colour: ")

    answer = ask(rehearsal, "one_page", RED, {})
    assert isinstance(answer, FormInvalid)
    assert answer.errors[0]["type"] == "too_many_pages"


def test_without_a_form_one_empty_page_is_implied(rehearsal: Rehearsal) -> None:
    assert isinstance(ask(rehearsal, "no_form"), FormIncomplete)
    assert ask(rehearsal, "no_form", {}) == FormComplete({})
    with pytest.raises(FormRefused):
        rehearsal.start("no_form", [])


def test_forms_have_no_effect_and_start_from_their_top_each_time(rehearsal: Rehearsal) -> None:
    for _ in range(2):
        assert isinstance(ask(rehearsal, "pages_in_turn", RED, {"name": "x"}, {"sure": False}), FormComplete)
    assert not rehearsal.processes


def test_s13_a_model_that_a_form_returns_is_plain_and_not_saved(rehearsal: Rehearsal) -> None:
    product = enrollment.register_enrollment()

    def form() -> FormGenerator:
        subscription = enrollment.NodeEnrollmentInactive.from_product_id(product, "c")
        yield FormPage
        return {"subscription": subscription}

    @task("T", initial_input_form=form)
    def with_model() -> StepList:
        return begin

    process = rehearsal.start("with_model", [{}]).expect("completed")
    assert process.state["subscription"]["ne"]["esdb_node_id"] is None
    with pytest.raises(LookupError):
        rehearsal.read_subscription(process.state["subscription"]["subscription_id"])


def test_a_form_that_returns_no_dictionary_is_told(rehearsal: Rehearsal) -> None:
    def form() -> FormGenerator:
        yield FormPage
        return None  # type: ignore[return-value]  # the fault that is tested

    @task("T", initial_input_form=form)
    def broken() -> StepList:
        return begin

    with pytest.raises(TypeError, match="the form form returned a NoneType; it returns a dictionary"):
        rehearsal.start("broken", [{}])


def test_the_first_page_of_a_create_offers_the_attached_products_only(rehearsal: Rehearsal) -> None:
    node = register_product("Node 1", tag="Node")
    register_product("Node 2", tag="Other")
    register_workflow(name="create_thing", target="CREATE", tag="Node", search_phrase="Node%")

    @create_workflow("C")
    def create_thing() -> StepList:
        return begin

    answer = ask(rehearsal, "create_thing")
    assert answer.schema["$defs"]["ProductChoice"]["options"] == {str(node.product_id): "Node 1"}
    answer = ask(rehearsal, "create_thing", {"product": str(node.product_id)})
    assert answer == FormComplete({"product": str(node.product_id), "product_name": "Node 1"})


def test_a_create_without_products_is_told(rehearsal: Rehearsal) -> None:
    @create_workflow("C")
    def create_nothing() -> StepList:
        return begin

    with pytest.raises(LookupError, match="no product is attached to create_nothing"):
        ask(rehearsal, "create_nothing")


def test_o22_a_stale_version_or_an_unknown_subscription_is_refused(rehearsal: Rehearsal) -> None:
    product = enrollment.register_enrollment()
    with rehearsal.open_scope():
        node = enrollment.NodeEnrollmentInactive.from_product_id(product, "c", insync=True)
        rehearsal.add_subscription(node)
    page = {"subscription_id": str(node.subscription_id)}

    answer = ask(rehearsal, "terminate_node_enrollment", page | {"version": 0})
    assert str(answer) == "__root__: you have seen version 0 of the subscription, and it is at version 1 now" or (
        "you have seen version 0" in str(answer)
    )
    assert isinstance(ask(rehearsal, "terminate_node_enrollment", page | {"version": 1}), FormComplete)
    answer = ask(rehearsal, "terminate_node_enrollment", {"subscription_id": enrollment.CUSTOMER})
    assert "there is no such subscription" in str(answer)


def test_o11_each_decorator_puts_its_steps_around_the_authors() -> None:
    @step("User")
    def user() -> None: ...

    extra = begin >> step("Extra")(lambda: None)

    def steps() -> StepList:
        return begin >> user

    def names(decorator: Any, **kwargs: Any) -> list[str]:
        return [one.name for one in decorator("D", additional_steps=extra, **kwargs)(steps).steps]

    relate, lock, unlock = "Create Process Subscription relation", "Lock subscription", "Unlock subscription"
    active, ended = "Set subscription to 'active'", "Set subscription to 'terminated'"
    assert names(create_workflow) == ["Start", "User", "Extra", active, unlock, "Done"]
    assert names(modify_workflow) == ["Start", relate, lock, "User", "Extra", unlock, "Done"]
    assert names(terminate_workflow) == ["Start", relate, lock, "User", "Extra", ended, unlock, "Done"]
    assert names(validate_workflow) == ["Start", relate, lock, "User", "Extra", unlock, "Done"]
    assert names(reconcile_workflow) == ["Start", relate, lock, "User", "Extra", unlock, "Done"]
    assert names(task) == ["Start", "User", "Extra", "Done"]
    assert names(workflow, target=Target.MODIFY) == ["User", "Extra"]
    assert (
        create_workflow("D", status=SubscriptionLifecycle.PROVISIONING)(steps).steps[2].name.endswith("'provisioning'")
    )


def test_a_description_may_be_absent_and_a_decorator_bare() -> None:
    @validate_workflow()
    def first() -> StepList:
        """Check it."""
        return begin

    @task
    def second() -> StepList:
        return begin

    assert (first.description, second.description, second.target) == ("Check it.", "", Target.SYSTEM)
    with pytest.raises(TypeError, match="a workflow returns a step list"):
        task(lambda: None)  # type: ignore[arg-type, return-value]  # the fault that is tested


def test_a_plain_workflow_adds_no_step_and_may_wrap_its_form_itself(rehearsal: Rehearsal) -> None:
    product = str(register_product("Node", tag="Node").product_id)
    register_workflow(name="plain", target="CREATE", tag="Node")

    @workflow("P", target="CREATE", initial_input_form=wrap_create_initial_input_form(ColourPage))
    def plain() -> StepList:
        return init >> done

    process = rehearsal.start("plain", [{"product": product}, RED]).expect("completed")
    assert (process.cleared, process.state["product_name"], process.state["colour"]) == (
        ["Start", "Done"],
        "Node",
        "red",
    )


def test_a_run_predicate_that_says_no_starts_nothing(rehearsal: Rehearsal) -> None:
    verdicts: list[Any] = ["the maintenance window is closed", False, None, True]

    @task("T", run_predicate=lambda: verdicts.pop(0))
    def guarded() -> StepList:
        return begin

    with pytest.raises(StartRefused, match="the maintenance window is closed"):
        rehearsal.start("guarded")
    with pytest.raises(StartRefused, match="guarded may not run now"):
        rehearsal.start("guarded")
    assert not rehearsal.processes
    rehearsal.start("guarded")
    rehearsal.start("guarded").expect("completed")


def test_an_error_names_its_field_and_one_about_the_whole_page_names_none() -> None:
    errors = ({"loc": ["node", 0], "msg": "is unknown"}, {"loc": ["__root__"], "msg": "the subscription is terminated"})
    assert str(FormInvalid("the form", errors)) == "node.0: is unknown; the subscription is terminated"
