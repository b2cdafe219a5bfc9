"""The other objects that packages for orchestrator-core import, besides step lists: for their `main.py`, and small
helpers.
"""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_forms.core import FormPage

from ewms.steps.definitions import ProcessDefinition
from ewms.steps.forms import Form, StateForm, generator_of
from ewms.steps.json_values import to_plain
from ewms.steps.start_forms import make_subscription_page
from ewms.steps.step_list import StepList
from ewms.steps.workflow_decorators import workflow
from schemas.engine.processes import Target

#: Who a subscription belongs to.
CustomerId = str

_MBIT_IN_GBIT = 1000


class AppSettings(BaseModel):
    """The settings that a `main.py` makes. EWMS has its own settings, and reads none of these."""

    model_config = ConfigDict(extra="allow")

    TESTING: bool = False
    ENVIRONMENT: str = "local"
    SERVICE_NAME: str = "ewms"
    DATABASE_URI: str = ""
    CACHE_URI: str = ""
    EXECUTOR: str = "worker"
    ENABLE_WEBSOCKETS: bool = False
    WEBSOCKET_BROADCASTER_URL: str = ""
    OAUTH2_ACTIVE: bool = False
    TRANSLATIONS_DIR: str | None = None


app_settings = AppSettings()


class OrchestratorCore:
    """The application object that a `main.py` makes. In EWMS the worker and WMS are the application, so calls do
    nothing.
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        self.settings = app_settings

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _ignore_call


def app(*_: Any, **__: Any) -> None:
    """End the process with a sentence that names EWMS's commands, because the old command does not exist.

    Raises:
        SystemExit: always.
    """
    raise SystemExit("this command is not there: `ewms worker`, `ewms process` and `ewms subscription` take its place")


def _ignore_call(*_: Any, **__: Any) -> Any:
    return _ignore_call


def json_dumps(value: Any) -> str:
    """Return `value` as JSON, in the form that the state has."""
    return json.dumps(to_plain(value))


def json_loads(text: str | bytes) -> Any:
    """Return the value of a JSON text."""
    return json.loads(text)


def format_bandwidth(mbit_s: int) -> str:
    """Return a speed in words: `100 Mbit/s`, `10 Gbit/s`."""
    if mbit_s < _MBIT_IN_GBIT:
        return f"{mbit_s} Mbit/s"
    return f"{mbit_s / _MBIT_IN_GBIT:g} Gbit/s"


def ReadOnlyField(value: Any, **extra: Any) -> Any:  # noqa: N802 - the old library's name, in place of pydantic's Field
    """Return a form's field that shows `value` and accepts no other value."""

    def check_unchanged(given: Any) -> Any:
        if to_plain(given) != to_plain(value):
            raise ValueError(f"this field is read only: it is {value!r}")
        return given

    shown: dict[str, Any] = {"uniforms": {"disabled": True, "value": to_plain(value)}}
    field: Any = Field(default=value, json_schema_extra=shown, **extra)
    field.metadata.append(AfterValidator(check_unchanged))
    return field


def make_workflow(
    function: Callable[..., Any],
    description: str,
    initial_input_form: Form | None = None,
    target: Target | str | None = None,
    steps: StepList | None = None,
    **extra: Any,
) -> ProcessDefinition:
    """Define a workflow named like `function`, with exactly `steps` (None: the steps that `function` returns).

    An author's own decorator calls this.
    """

    @wraps(function)
    def give_steps() -> StepList:
        return function() if steps is None else steps

    return workflow(description, target=target or Target.SYSTEM, initial_input_form=initial_input_form, **extra)(
        give_steps
    )


def form_inject_args(form: Form) -> StateForm:
    """Return `form` as a form over the state. The function of the form gets its arguments by name."""
    return generator_of(form)


def generate_modify_form(workflow_target: Target | str, workflow_name: str) -> type[FormPage]:
    """Return the page that asks for a subscription. The page refuses a subscription on which the workflow may not
    start.
    """
    return make_subscription_page(workflow_name, Target(workflow_target))
