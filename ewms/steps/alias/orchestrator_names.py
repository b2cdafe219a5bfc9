"""A table that says for each name of orchestrator-core where it is in EWMS. (core)

    module, without `orchestrator.` or `orchestrator.core.`  ->  name  ->  EWMS's object, or why there is none

A sentence names what to use instead. A whole module may also be left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class NewPlace:
    """Where an old name is now: an attribute of a module."""

    module: str
    attribute: str


@dataclass(frozen=True)
class LeftOut:
    """An old name that EWMS does not have. The sentence says what to use instead."""

    sentence: str


NameEntry = NewPlace | LeftOut

_STEPS = "ewms.steps"
_STAND_INS = "ewms.steps.alias.stand_ins"

_NO_DATABASE = LeftOut(
    "steps have no database: read models with `from_subscription` and `from_db`, "
    "and search with `ewms.steps.find_subscriptions` and `ewms.steps.values_in_use`"
)
_NO_MIGRATIONS = LeftOut(
    "there are no migrations: call `ewms.steps.register_product` and `ewms.steps.register_workflow` "
    "in a module that the worker imports as well"
)
_NO_GRAPHQL = LeftOut("there is no GraphQL: use the REST routes below /api, or `ewms.client.Client().processes`")
_NO_CELERY = LeftOut("there is no Celery: `ewms worker --module ... --pool ...` runs the steps")
_NO_LENS = LeftOut("there are no lenses: `ewms.steps.focussteps` lets steps work on one object of the state")


def _place_names(names: str, module: str = _STEPS) -> dict[str, NameEntry]:
    return {name: NewPlace(module, name) for name in names.split()}


def _leave_out(names: str, why: LeftOut) -> dict[str, NameEntry]:
    return dict.fromkeys(names.split(), why)


_STEP_NAMES = "Step StepList begin conditional done init inputstep retrystep step workflow focussteps"
_TYPES = "FormGenerator InputForm State UUIDstr strEnum"
_MODELS = "ProductBlockModel SI SubscriptionInstanceList SubscriptionModel serializable_property"
_GATES = "WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS WF_USABLE_MAP WF_USABLE_WHILE_OUT_OF_SYNC"
_APPLICATION = "AppSettings OrchestratorCore app_settings"
_TABLES = (
    "ProcessSubscriptionTable ProcessTable ProductBlockTable ProductTable ResourceTypeTable "
    "SubscriptionInstanceRelationTable SubscriptionInstanceTable SubscriptionInstanceValueTable SubscriptionTable "
    "WorkflowTable"
)

#: The old modules whose names are there, or are left out one by one.
MODULES: Mapping[str, Mapping[str, NameEntry]] = {
    "": {
        **_place_names(f"{_STEP_NAMES} callback_step step_group Target SubscriptionLifecycle"),
        **_place_names(_APPLICATION, _STAND_INS),
    },
    "workflow": {
        **_place_names(f"{_STEP_NAMES} callback_step step_group State"),
        **_place_names("make_workflow", _STAND_INS),
        **_leave_out("steplens", _NO_LENS),
        **_leave_out("obsolete_step", LeftOut("remove the step: a run keeps the definition of its launch by itself")),
    },
    "workflows": {**_place_names("LazyWorkflowInstance")},
    "workflows.steps": {**_place_names("resync set_status store_process_subscription unsync unsync_unchecked")},
    "workflows.utils": {
        **_place_names("create_workflow modify_workflow reconcile_workflow task terminate_workflow validate_workflow"),
        **_place_names(
            "ensure_provisioning_status wrap_create_initial_input_form wrap_modify_initial_input_form workflow"
        ),
        "_generate_modify_form": NewPlace(_STAND_INS, "generate_modify_form"),
    },
    "targets": {**_place_names("Target")},
    "types": {**_place_names(f"{_TYPES} SI SubscriptionLifecycle")},
    "domain": {**_place_names(f"{_MODELS} SUBSCRIPTION_MODEL_REGISTRY")},
    "domain.base": {**_place_names(_MODELS)},
    "domain.lifecycle": {**_place_names("SubscriptionLifecycle change_lifecycle")},
    "forms": {
        **_place_names("FormPage"),
        **_place_names("FormValidationError FormNotCompleteError", "pydantic_forms.exceptions"),
    },
    "forms.validators": {
        **_place_names("Accept Choice DisplaySubscription Divider Label ListOfOne ListOfTwo LongText MigrationSummary"),
        **_place_names("callout choice_list migration_summary read_only_field read_only_list unique_conlist"),
        **_place_names("CustomerId ReadOnlyField", _STAND_INS),
    },
    "services.processes": {**_place_names("start_process")},
    "services.products": {**_place_names("get_product_by_id get_product_by_name")},
    "services.subscriptions": {
        **_place_names(_GATES),
        **_leave_out(
            "get_subscription", LeftOut("read the model: `ewms.steps.SubscriptionModel.from_subscription(...)`")
        ),
    },
    "settings": {**_place_names(_APPLICATION.replace("OrchestratorCore", ""), _STAND_INS)},
    "config.assignee": {**_place_names("Assignee")},
    "utils.json": {**_place_names("json_dumps json_loads", _STAND_INS)},
    "utils.errors": {**_place_names("InconsistentDataError ProcessFailureError")},
    "utils.state": {**_place_names("form_inject_args", _STAND_INS)},
    "utils": {**_place_names("format_bandwidth", _STAND_INS)},
    "cli.main": {**_place_names("app", _STAND_INS)},
    "db": _leave_out(f"db {_TABLES}", _NO_DATABASE),
    "db.models": _leave_out(_TABLES, _NO_DATABASE),
}

#: The old modules that are left out with all modules below them.
MODULES_LEFT_OUT: Mapping[str, LeftOut] = {
    "agent": LeftOut("there are no agents: write a step list with `ewms.steps.task`"),
    "db": _NO_DATABASE,
    "graphql": _NO_GRAPHQL,
    "migrations": _NO_MIGRATIONS,
    "schedules": LeftOut("there are no schedules: start the process from cron with `ewms process start`"),
    "search": LeftOut("there is no search index: `ewms.steps.find_subscriptions` finds by product, status and field"),
    "services.celery": _NO_CELERY,
    "services.tasks": _NO_CELERY,
    "shell": LeftOut("there is no shell: `ewms process` and `ewms subscription` show and change what it did"),
    "websocket": LeftOut("there are no websockets: follow `GET /api/processes/events`, a stream of server-sent events"),
}


def find_left_out(module: str) -> LeftOut | None:
    """Return the reason why `module`, or a module above it, is left out. Return None if none of them is left out."""
    return next((why for name, why in MODULES_LEFT_OUT.items() if f"{module}.".startswith(f"{name}.")), None)


def has_module(module: str) -> bool:
    """Return whether the table has `module`, or modules below it."""
    return any(f"{name}.".startswith(f"{module}.") for name in MODULES)


def is_helper_module(module: str) -> bool:
    """Return whether `module` may hold small helpers. For some helpers we do not know the old module."""
    return module.startswith("utils.") and module.count(".") == 1


def find_name(module: str, name: str) -> NameEntry | None:
    """Return where the old name `name` is now. Return None if the table does not have the name.

    Releases of orchestrator-core moved names between modules. So if `module` does not have `name`, take it from any
    module.
    """
    own = MODULES.get(module, {}).get(name)
    return own or next((names[name] for names in MODULES.values() if name in names), None)
