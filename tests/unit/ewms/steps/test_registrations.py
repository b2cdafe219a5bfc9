"""Workflows are attached to products by registration, and code and registrations must agree."""

from typing import Any

import pytest
from pydantic import ValidationError

from ewms.steps import (
    LazyWorkflowInstance,
    StepList,
    begin,
    done,
    init,
    register_product,
    register_workflow,
    task,
    workflow,
)
from ewms.steps.definitions import ProcessDefinition, TwiceDefined, add_definition, find_definition, list_definitions
from ewms.steps.forms import generator_of
from ewms.steps.registrations import list_mismatches, list_products, list_registrations
from schemas.engine.processes import Target, attaches_to
from schemas.engine.subscriptions import ProductDocument
from tests.unit.ewms.steps import enrollment


def test_o8_a_registration_takes_the_five_parameters_and_twice_is_once() -> None:
    register_workflow(**enrollment.params_create)
    register_workflow(**enrollment.params_create)

    [one] = list_registrations()
    assert one.model_dump(mode="json") == enrollment.params_create
    register_workflow(**enrollment.params_create | {"description": "New"})
    assert [one.description for one in list_registrations()] == ["New"]


@pytest.mark.parametrize("target", ["UPDATE", "create", None])
def test_o32_an_unknown_target_is_refused(target: Any) -> None:
    with pytest.raises(ValidationError, match="target"):
        register_workflow(**enrollment.params_create | {"target": target})
    assert not list_registrations()


def test_o32_a_validation_may_be_registered_as_system_or_validate() -> None:
    for target in ("SYSTEM", "VALIDATE", "RECONCILE"):
        assert register_workflow(**enrollment.params_validate | {"target": target}).is_task
    assert not register_workflow(**enrollment.params_modify).is_task


@pytest.mark.parametrize(
    ("name", "attached"),
    [
        ("Node Enrollment", True),
        ("Node Enrollment Plus", True),
        ("My Node Enrollment", False),
        ("node enrollment", False),
        ("Node_Enrollment", False),
    ],
)
def test_o10_a_workflow_attaches_by_tag_and_a_pattern_for_the_name(name: str, attached: bool) -> None:
    product = register_product(name, tag="NodeEnrollment")
    assert register_workflow(**enrollment.params_create).attaches_to(product) is attached
    other = register_product(name, tag="Other")
    assert not register_workflow(**enrollment.params_create).attaches_to(other)


@pytest.mark.parametrize(
    ("phrase", "name", "matches"),
    [
        ("%", "", True),
        ("a_c", "abc", True),
        ("a_c", "ac", False),
        ("a.c", "abc", False),
        ("a%(", "ab(", True),
        ("", "a", False),
    ],
)
def test_o10_only_percent_and_underscore_are_wildcards(phrase: str, name: str, matches: bool) -> None:
    product = ProductDocument(product_id="00000000-0000-0000-0000-000000000001", name=name, tag="T")  # type: ignore[arg-type]  # pydantic parses it
    assert attaches_to(product, tag="T", search_phrase=phrase) is matches


def test_a_product_keeps_its_id_and_is_registered_once() -> None:
    first = register_product("Node", tag="Node")
    second = register_product("Node", tag="Node", description="A node")

    assert first.product_id == second.product_id
    assert list_products() == [second]
    moved = register_product("Node", tag="Node", product_id="3f6b2c1a-5b0e-4b5e-8c2e-0a1b2c3d4e5f")
    assert list_products() == [moved]


def test_o9_a_definition_is_known_by_its_functions_name() -> None:
    assert find_definition("create_node_enrollment") is enrollment.create_node_enrollment
    assert enrollment.create_node_enrollment.description == "Create Node Enrollment"
    assert enrollment.create_node_enrollment() is enrollment.create_node_enrollment.steps
    with pytest.raises(LookupError, match="no imported module defines the workflow 'nothing'"):
        find_definition("nothing")


def test_o9_code_without_registration_and_registration_without_code_are_told() -> None:
    enrollment.register_enrollment()
    register_workflow(name="gone", target="CREATE")
    register_workflow(**enrollment.params_modify | {"target": "TERMINATE"})

    @task
    def unregistered() -> StepList:
        return begin

    mine = ("gone", "unregistered", "modify_node_enrollment")
    assert [line for line in list_mismatches() if line.startswith(mine)] == [
        "gone is registered, and no code defines it",
        "unregistered is defined, and not registered",
        "modify_node_enrollment is registered as TERMINATE, and its code is a MODIFY",
    ]


def test_a_name_that_two_modules_define_is_refused() -> None:
    one = ProcessDefinition(
        name="same", description="", target=Target.SYSTEM, steps=begin, form=generator_of(None), origin="a.same"
    )
    add_definition(one)
    add_definition(one)
    with pytest.raises(TwiceDefined, match=r"same is defined twice: in a\.same and in b\.same"):
        add_definition(ProcessDefinition(**{**vars(one), "origin": "b.same"}))


def test_s3_odd_step_lists_are_told() -> None:
    @workflow("W")
    def without_done() -> StepList:
        return begin >> init

    @workflow("W")
    def with_more() -> StepList:
        return begin >> done >> init >> done

    @workflow("W")
    def empty() -> StepList:
        return begin

    assert without_done.list_warnings() == ["without_done does not end with `done`; it completes after its last step"]
    assert with_more.list_warnings() == ["with_more has 2 step(s) after its first `done`, which never run"]
    assert empty.list_warnings() == ["empty has no steps"]
    assert enrollment.create_node_enrollment.list_warnings() == []


def test_a_lazy_instance_imports_the_definition() -> None:
    lazy = LazyWorkflowInstance("tests.unit.ewms.steps.enrollment", "create_node_enrollment")
    assert lazy.definition is enrollment.create_node_enrollment
    assert enrollment.create_node_enrollment in list_definitions()
