"""Packages written for orchestrator-core run unchanged, and a name that is left out says what takes its place."""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from ewms import steps
from ewms.steps.alias import AliasTaken, install_alias, use_alias
from ewms.steps.alias.orchestrator_names import MODULES, MODULES_LEFT_OUT, LeftOut, NewPlace
from ewms.steps.testing import Rehearsal

PACKAGE = Path(__file__).parents[3] / "data" / "leased_ports"
CUSTOMER = "3f6b2c1a-5b0e-4b5e-8c2e-0a1b2c3d4e5f"

#: What users' code imports (orchestrator 1.9.1): modules without `orchestrator.`, and their names.
CENSUS = {
    "": "step StepList begin OrchestratorCore AppSettings app_settings workflow conditional",
    "types": "SubscriptionLifecycle State UUIDstr FormGenerator InputForm SI strEnum",
    "workflow": "step StepList begin done init workflow conditional inputstep callback_step retrystep Step "
    "make_workflow",
    "domain.base": "ProductBlockModel SubscriptionModel serializable_property SubscriptionInstanceList",
    "domain": "SubscriptionModel SUBSCRIPTION_MODEL_REGISTRY",
    "forms": "FormPage FormValidationError",
    "forms.validators": "Choice choice_list Divider Label DisplaySubscription LongText read_only_field "
    "MigrationSummary migration_summary CustomerId Accept unique_conlist callout ReadOnlyField",
    "targets": "Target",
    "workflows.steps": "store_process_subscription set_status resync unsync",
    "workflows.utils": "validate_workflow modify_workflow create_workflow terminate_workflow "
    "ensure_provisioning_status reconcile_workflow task wrap_create_initial_input_form "
    "wrap_modify_initial_input_form _generate_modify_form",
    "workflows": "LazyWorkflowInstance",
    "settings": "AppSettings app_settings",
    "cli.main": "app",
    "services.processes": "start_process",
    "services.products": "get_product_by_name get_product_by_id",
    "services.subscriptions": "WF_USABLE_MAP WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS WF_USABLE_WHILE_OUT_OF_SYNC",
    "utils.json": "json_dumps",
    "config.assignee": "Assignee",
    "utils.errors": "ProcessFailureError",
    "utils.state": "form_inject_args",
    "utils.any_of_them": "format_bandwidth",
}
#: The rows with the verdict "not" and "no".
LEFT_OUT = {
    "db": "db SubscriptionTable ProductTable SubscriptionInstanceTable SubscriptionInstanceValueTable "
    "ResourceTypeTable SubscriptionInstanceRelationTable ProcessTable",
    "db.models": "SubscriptionTable ProductTable",
    "migrations.helpers": "create_workflow",
    "graphql": "register_graphql",
    "graphql.schemas": "Anything",
    "services.celery": "initialise_celery",
    "services.tasks": "initialise_celery",
    "websocket": "websocket_manager",
    "shell": "run",
    "agent": "run",
    "search": "query",
    "schedules": "schedule",
    "workflow": "obsolete_step steplens",
}


def list_rows(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(module, name) for module, names in table.items() for name in names.split()]


@pytest.fixture(autouse=True)
def alias() -> Iterator[None]:
    with use_alias("orchestrator"):
        yield


@pytest.mark.parametrize("root", ["orchestrator", "orchestrator.core"])
@pytest.mark.parametrize(("module", "name"), list_rows(CENSUS))
def test_a_name_of_the_census_is_there_in_both_paths(root: str, module: str, name: str) -> None:
    scope: dict[str, object] = {}
    exec(f"from {f'{root}.{module}'.rstrip('.')} import {name} as found", scope)
    assert not isinstance(scope["found"], ModuleType)
    if hasattr(steps, name):
        assert scope["found"] is getattr(steps, name)


@pytest.mark.parametrize("root", ["orchestrator", "orchestrator.core"])
@pytest.mark.parametrize(("module", "name"), list_rows(LEFT_OUT))
def test_a_name_that_is_left_out_says_what_takes_its_place(root: str, module: str, name: str) -> None:
    with pytest.raises(ImportError, match=r"EWMS has no .*\. [A-Z].*\.$") as caught:
        exec(f"from {root}.{module} import {name}", {})
    assert re.search(r"ewms|/api/|by itself", str(caught.value))


@pytest.mark.parametrize("module", MODULES)
def test_each_entry_of_the_table_leads_somewhere(module: str) -> None:
    for entry in MODULES[module].values():
        if isinstance(entry, NewPlace):
            assert hasattr(importlib.import_module(entry.module), entry.attribute), entry
        else:
            check_sentence(entry)


def test_each_module_that_is_left_out_names_things_that_there_are() -> None:
    for entry in MODULES_LEFT_OUT.values():
        check_sentence(entry)


def check_sentence(entry: LeftOut) -> None:
    for module, name in re.findall(r"`(ewms(?:\.[a-z]+)+)\.(\w+)", entry.sentence):
        assert hasattr(importlib.import_module(module), name), entry


def test_a_name_is_found_in_another_module_than_its_own_and_a_wrong_one_says_where_the_names_are() -> None:
    from orchestrator.types import FormPage  # type: ignore[import-not-found]  # the alias has it

    assert FormPage is steps.FormPage
    with pytest.raises(ImportError, match="names that there are"):
        exec("from orchestrator.workflow import no_such_name", {})
    with pytest.raises(ImportError, match=r"EWMS has no orchestrator\.nowhere"):
        exec("import orchestrator.nowhere", {})


def test_a_name_that_there_is_not_can_be_asked_for() -> None:
    for module, name in (("workflow", "no_such_name"), ("workflow", "steplens"), ("utils", "no_such_name")):
        asked = importlib.import_module(f"orchestrator.{module}")
        assert not hasattr(asked, name)
        assert getattr(asked, name, 7) == 7
        with pytest.raises(AttributeError, match="EWMS has no"):
            getattr(asked, name)
    with pytest.raises(ImportError, match="names that there are"):
        exec("from orchestrator.utils import no_such_name", {})


def test_the_decorator_named_like_a_module_stays_the_decorator() -> None:
    import orchestrator.workflow  # type: ignore[import-not-found]  # the alias has it
    import orchestrator.workflows.steps  # type: ignore[import-not-found]  # the alias has it

    assert orchestrator.workflow is steps.workflow
    assert sys.modules["orchestrator.workflow"].begin is steps.begin


def test_small_helpers_do_what_their_names_say() -> None:
    from orchestrator.forms.validators import ReadOnlyField  # type: ignore[import-not-found]  # the alias has it
    from orchestrator.utils import format_bandwidth  # type: ignore[import-not-found]  # the alias has it
    from orchestrator.utils.json import json_dumps  # type: ignore[import-not-found]  # the alias has it

    class Page(steps.FormPage):
        name: str = ReadOnlyField("ams-1")

    assert Page().model_dump() == {"name": "ams-1"}
    with pytest.raises(ValueError, match="read only"):
        Page(name="ams-2")
    assert json_dumps({"lifecycle": steps.SubscriptionLifecycle.ACTIVE}) == '{"lifecycle": "active"}'
    assert (format_bandwidth(100), format_bandwidth(10000)) == ("100 Mbit/s", "10 Gbit/s")


def test_the_alias_refuses_a_package_that_is_imported_already_and_one_that_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="no alias for 'airflow'"):
        install_alias("airflow")
    sys.meta_path.pop(0)
    sys.modules["orchestrator"] = ModuleType("orchestrator")
    try:
        with pytest.raises(AliasTaken):
            install_alias("orchestrator")
    finally:
        del sys.modules["orchestrator"]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package of somebody else, and what an installation adds to it."""
    monkeypatch.syspath_prepend(str(PACKAGE))
    importlib.import_module("main")
    importlib.import_module("registering")
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("main", "registering", "leased_ports")]:
        del sys.modules[name]


@pytest.mark.usefixtures("package")
def test_a_package_for_orchestrator_core_runs_unchanged(rehearsal: Rehearsal) -> None:
    [product] = rehearsal.subscriptions.find_products("create_port")
    port = {"customer_id": CUSTOMER, "node_name": "ams-1", "port_name": "0/1"}
    process = rehearsal.start("create_port", [{"product": str(product.product_id)}, port, {}]).expect("suspended")
    assert process.assignee == "NOC"
    process.resume({"port": "ams-1 0/1", "patch": "A7"}).expect("completed")
    on = {"subscription_id": process.state["subscription_id"]}
    made = rehearsal.read_subscription(on["subscription_id"])
    assert (made.status, made.insync, made.description) == ("provisioning", True, "Port ams-1 0/1")
    assert '"vlan": 100' in process.state["told"]

    rehearsal.start("modify_port", [on, {"vlan": 101}]).expect("completed")
    changed = rehearsal.read_subscription(on["subscription_id"])
    assert [one["vlan"] for one in changed.values["port"]["vlans"]] == [100, 101]
    ended = rehearsal.start("terminate_port", [on, on]).expect("completed")
    assert ended.state["removed"] == "ams-1 0/1"
    rehearsal.start("task_count_ports").expect("completed")
