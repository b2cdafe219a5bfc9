"""Make a task's recipe from the fields of a request, after the rules of this server."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from schemas.api.automation.tasks import TaskLocation, TaskResourcesBody
from schemas.automation.build_sources import (
    DEFAULT_GIT_PROTOCOLS,
    check_directory,
    check_git_ref,
    check_git_url,
    check_subdirectory,
)
from schemas.automation.builds import DirectorySource, GitSource
from schemas.automation.catalogue import TaskRecipe, TaskResources
from schemas.errors import Rejected
from schemas.rules.sizes import parse_bytes
from wms.catalogue.parameter_schema import dump_schema
from wms.fleet.choices.locations import LocationMap


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRules:
    """Which sources this server allows. A builder checks them again."""

    git_protocols: tuple[str, ...] = DEFAULT_GIT_PROTOCOLS
    git_hosts: tuple[str, ...] = ("*",)
    #: The directories of the server below which tasks may live.
    task_roots: tuple[str, ...] = ()


#: Fields of a request that decide what a job executes.
RECIPE_FIELDS = (
    *("location", "command", "fan_out", "idempotent", "resources", "parameters", "network"),
    "cluster_locations",
)


def make_recipe(given: Mapping[str, Any], rules: SourceRules, locations: LocationMap) -> TaskRecipe:
    """Return the recipe that the fields `given` make, which are those of `RECIPE_FIELDS` without None.

    Raises:
        Rejected: the location, the schema of the parameters or a cluster location breaks a rule.
    """
    return TaskRecipe.model_validate(_read_fields({"cluster_locations": None, **given}, rules, locations))


def change_recipe_fields(
    before: TaskRecipe, given: Mapping[str, Any], rules: SourceRules, locations: LocationMap
) -> TaskRecipe:
    """Return `before` with the fields `given`, as `make_recipe`.

    Raises:
        Rejected: a field breaks a rule.
    """
    return before.model_copy(update=_read_fields(given, rules, locations))


def _read_fields(given: Mapping[str, Any], rules: SourceRules, locations: LocationMap) -> dict[str, Any]:
    fields = {name: given[name] for name in ("command", "fan_out", "idempotent", "network") if name in given}
    if "location" in given:
        fields["source"] = make_source(given["location"], rules)
    if "resources" in given:
        fields["resources"] = _make_resources(given["resources"])
    if "parameters" in given:
        fields["parameters"] = dump_schema(given["parameters"])
    if "cluster_locations" in given:
        fields["locations"] = _choose_locations(given["cluster_locations"], locations)
    return fields


def make_source(location: TaskLocation, rules: SourceRules) -> GitSource | DirectorySource:
    """Return the source at `location`.

    Raises:
        Rejected: it is not allowed; the error names the field and the remedy.
    """
    if location.directory:
        _refuse(check_directory(location.directory, rules.task_roots))
        return DirectorySource(path=location.directory)
    _refuse(check_git_url(location.git, rules.git_protocols, rules.git_hosts))
    _refuse(check_git_ref(location.ref))
    _refuse(check_subdirectory(location.subdirectory))
    return GitSource(
        url=location.git, ref=location.ref, subdirectory=location.subdirectory, credential=location.credential
    )


def _refuse(fault: str) -> None:
    """Raises Rejected if there is a `fault`: "<what is wrong>; <remedy>"."""
    if fault:
        what, _, remedy = fault.partition("; ")
        raise Rejected(f"'location': {what}", hint=remedy)


def _make_resources(body: TaskResourcesBody) -> TaskResources:
    return TaskResources(
        n_cores=body.n_cores,
        memory_bytes=parse_bytes(body.memory),
        disk_bytes=parse_bytes(body.disk),
        max_runtime_s=body.max_runtime_s,
    )


def _choose_locations(wanted: Iterable[str] | None, known: LocationMap) -> tuple[str, ...]:
    """Return the cluster locations that get the image, without aliases; None: all that are known."""
    names = [name for name, target in known.alias_targets.items() if not target] if wanted is None else wanted
    for name in names:
        known.find_location(name)
    return tuple(dict.fromkeys(known.alias_targets[name] or name for name in names))
