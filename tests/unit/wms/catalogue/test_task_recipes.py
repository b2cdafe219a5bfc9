"""What a request makes of a recipe, and what it refuses with field, rule and remedy."""

from typing import Any

import pytest

from schemas.api.automation.tasks import TaskLocation, TaskResourcesBody
from schemas.automation.builds import DirectorySource, GitSource
from schemas.automation.catalogue import TaskRecipe
from schemas.errors import Rejected
from wms.catalogue.parameter_schema import MAX_SCHEMA_BYTES, check_variables, dump_schema
from wms.catalogue.task_recipes import SourceRules, change_recipe_fields, make_recipe
from wms.fleet.choices.locations import Location, LocationMap

LOCATIONS = LocationMap({"osg": Location(schedd="a"), "sub-2": "osg", "chicago": Location(schedd="b")})
RULES = SourceRules(task_roots=("/srv/tasks",))
GIT = TaskLocation(git="https://git.example.org/t", ref="main", subdirectory="one", credential="robot")


def make(**fields: Any) -> TaskRecipe:
    """Return the recipe that these fields make."""
    return make_recipe({"location": GIT, "command": ("run", "it"), **fields}, RULES, LOCATIONS)


def test_c13_both_kinds_of_location() -> None:
    assert make().source == GitSource(
        url="https://git.example.org/t", ref="main", subdirectory="one", credential="robot"
    )
    assert make(location=TaskLocation(directory="/srv/tasks/one")).source == DirectorySource(path="/srv/tasks/one")


@pytest.mark.parametrize(
    ("location", "text"),
    [
        (TaskLocation(git="file:///etc"), "protocol 'file' is not allowed"),
        (TaskLocation(git="ext::sh -c id"), "'location'"),
        (TaskLocation(git="--upload-pack=id"), "option"),
        (TaskLocation(git="https://me:secret@git.example.org/t"), "contains a user or a password"),
        (TaskLocation(git="github.com/a/b"), "names no protocol"),
        (TaskLocation(git="https://git.example.org/t", ref="-x"), "ref"),
        (TaskLocation(git="https://git.example.org/t", subdirectory="../x"), "subdirectory"),
        (TaskLocation(directory="/etc"), "outside of the allowed roots"),
        (TaskLocation(directory="/srv/tasks/../../etc"), "path"),
    ],
)
def test_a_location_that_is_not_allowed_is_refused(location: TaskLocation, text: str) -> None:
    with pytest.raises(Rejected, match=text) as refused:
        make(location=location)
    assert refused.value.reason.startswith("'location': ")
    assert refused.value.hint
    assert "secret" not in refused.value.reason + refused.value.hint


@pytest.mark.parametrize(
    "fields",
    [{}, {"git": "https://g/t", "directory": "/srv/tasks/one"}, {"directory": "/srv/tasks/one", "ref": "main"}],
)
def test_a_location_is_one_place(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="'git'"):
        TaskLocation(**fields)


def test_c15_without_cluster_locations_all_get_the_image_and_aliases_count_once() -> None:
    assert make().locations == ("osg", "chicago")
    assert make(cluster_locations=("sub-2", "osg")).locations == ("osg",)
    with pytest.raises(Rejected, match="condor cluster location not found: moon"):
        make(cluster_locations=("moon",))


def test_sizes_become_bytes() -> None:
    resources = make(resources=TaskResourcesBody(n_cores=2, memory="1G", disk=5)).resources
    assert (resources.n_cores, resources.memory_bytes, resources.disk_bytes) == (2, 1024**3, 5)


def test_a_change_keeps_what_is_not_given() -> None:
    before = make(network=("pypi.example.org",))
    after = change_recipe_fields(before, {"command": ("other",)}, RULES, LOCATIONS)
    assert after == before.model_copy(update={"command": ("other",)})
    assert change_recipe_fields(before, {}, RULES, LOCATIONS) == before


SCHEMA = {"type": "object", "properties": {"patch": {"type": "string", "pattern": "^[a-z]+$"}}, "required": ["patch"]}


def test_the_schema_of_the_parameters_is_kept_as_json() -> None:
    text = make(parameters=SCHEMA).parameters
    check_variables(text, {"patch": "kernel"})
    with pytest.raises(Rejected, match='the variables do not fit the task: the variables: "patch" is a required'):
        check_variables(text, {})
    with pytest.raises(Rejected, match="patch: "):
        check_variables(text, {"patch": "K1"})
    assert make(parameters={}).parameters == ""
    check_variables("", {"anything": 1})


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "objekt"}, "not a JSON schema"),
        ({"$ref": "http://127.0.0.1:1/x"}, "not a JSON schema"),
        ({"$ref": "file:///etc/passwd"}, "not a JSON schema"),
        ({"pattern": "("}, "not a JSON schema"),
        ({"pattern": "(?<=x)y"}, "not a JSON schema"),
        ({"description": "x" * MAX_SCHEMA_BYTES}, f"more than {MAX_SCHEMA_BYTES} bytes"),
    ],
)
def test_a_schema_that_is_none_or_names_another_is_refused(schema: dict[str, Any], text: str) -> None:
    with pytest.raises(Rejected, match=text):
        dump_schema(schema)


def test_a_costly_pattern_takes_linear_time() -> None:
    text = dump_schema({"properties": {"a": {"pattern": "^(a+)+$"}}})
    with pytest.raises(Rejected):
        check_variables(text, {"a": "a" * 50_000 + "!"})
