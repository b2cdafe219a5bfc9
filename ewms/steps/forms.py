"""Forms: pages of the pydantic-forms library, which a person fills in before a process exists, or while it waits.

A form is one page, a function that returns a page, or a generator that yields pages and returns the values. Each
evaluation begins with the first page, so a form must have no effects. The pages of a form are stored only when the form
is complete.
"""

import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_forms.core import Complete, NextPage, Rejected, form_errors, page_schema, walk_form
from pydantic_forms.core.shared import FormPage, get_form_meta
from pydantic_forms.exceptions import FormOverflowError

from ewms.steps.form_answers import TOO_MANY_PAGES, FormAnswer, FormComplete, FormIncomplete, FormInvalid
from ewms.steps.injection import bind_arguments
from ewms.steps.json_values import to_plain
from ewms.steps.step_list import Step, enter_scopes, widen_changes
from ewms.steps.step_scope import StepScope, enter_step

#: What an author writes: a page, or a function that returns a page or yields several.
Form = type[BaseModel] | Callable[..., Any]

StateForm = Callable[[dict[str, Any]], Generator[type[BaseModel], Any, dict[str, Any]]]


class EmptyPage(FormPage):
    """The form of a workflow that has no form of its own: one page without fields."""


def generator_of(form: Form | None) -> StateForm:
    """Return `form` as a generator over the state. Its function gets its arguments by name; `state` is the generator's
    own.
    """
    if form is None:
        form = EmptyPage
    if isinstance(form, type):
        return _ask_page(form)
    function: Callable[..., Any] = form

    def ask(state: dict[str, Any]) -> Generator[type[BaseModel], Any, dict[str, Any]]:
        asked = function(**bind_arguments(function, state))
        if inspect.isgenerator(asked):
            values: dict[str, Any] | None = yield from asked
        else:
            values = yield from _ask_page(asked)(state)
        if not isinstance(values, Mapping):
            raise TypeError(f"the form {function.__name__} returned a {type(values).__name__}; it returns a dictionary")
        return dict(values)

    return ask


def _ask_page(page: type[BaseModel]) -> StateForm:
    def ask(state: dict[str, Any]) -> Generator[type[BaseModel], Any, dict[str, Any]]:
        answer = yield page
        values: dict[str, Any] = answer.model_dump()
        return values

    return ask


def join_forms(*forms: StateForm) -> StateForm:
    """Return a form that asks for the pages of all `forms` in turn, and returns the values of all."""

    def ask(state: dict[str, Any]) -> Generator[type[BaseModel], Any, dict[str, Any]]:
        values: dict[str, Any] = {}
        for form in forms:
            found = yield from form(state)
            values |= found
            state |= found
        return values

    return ask


def fill_form(
    form: StateForm, state: Mapping[str, Any], pages: Sequence[Mapping[str, Any]], scope: StepScope
) -> FormAnswer:
    """Fill in `form` with `pages`. Return its values, or the next page that it asks for, or the errors of one page.

    An exception of the form's own code passes through.
    """
    with enter_step(scope):
        try:
            walked = walk_form(form, dict(state), [dict(page) for page in pages])
        except FormOverflowError:
            text = f"the form takes fewer than the {len(pages)} pages that were given"
            return FormInvalid("the form", ({"loc": ["__root__"], "msg": text, "type": TOO_MANY_PAGES},))
        match walked:
            case Complete(state=values):
                return FormComplete(to_plain(values))
            case NextPage(model=model):
                return FormIncomplete(page_schema(model), get_form_meta(model))
            case Rejected(model=model, error=verdict):
                return FormInvalid(model.__name__, tuple(one.model_dump() for one in form_errors(verdict)))


def fill_input(
    step: Step, state: Mapping[str, Any], pages: Sequence[Mapping[str, Any]], scope: StepScope
) -> FormAnswer:
    """Fill in the form of the input step `step` with `pages`, and return what the form answers. `state` is the state in
    which the process waits.

    The values of a complete form are changes of the whole state, to be merged deeply into the state.
    """
    assert step.function is not None
    with enter_step(scope):
        entered = enter_scopes(step, state)
    answer = fill_form(generator_of(step.function), entered.view, pages, scope)
    if isinstance(answer, FormComplete):
        return FormComplete(widen_changes(state, entered.path, answer.values))
    return answer
