"""Which secrets a job names, and under which names of files."""

import pytest
from pydantic import ValidationError

from schemas.automation.stored_secrets import SecretFile, SecretUsers
from schemas.errors import Rejected
from schemas.ids import CatalogueTaskId
from schemas.rules.secret_names import MAX_SECRETS
from wms.secrets.secret_use import check_secret_files, merge_files

SEVEN, EIGHT = CatalogueTaskId(7), CatalogueTaskId(8)


def name_secrets(*words: str) -> tuple[SecretFile, ...]:
    """Return the secrets that words such as `NAME=FILE` name."""
    pairs = [word.partition("=") for word in words]
    return tuple(SecretFile(name=name, file=file or name) for name, _, file in pairs)


def test_a_file_is_named_as_its_secret_unless_it_has_a_name() -> None:
    assert SecretFile.model_validate({"name": "key"}) == SecretFile(name="key", file="key")
    assert SecretFile.model_validate({"name": "key", "file": "pin"}).file == "pin"


def test_the_secrets_of_a_job_come_on_top_of_those_of_its_list() -> None:
    merged = merge_files(name_secrets("a", "b=key"), name_secrets("c=key", "d"))
    assert merged == name_secrets("a", "c=key", "d")


@pytest.mark.parametrize(
    "words",
    [("../up",), ("a=x/y",), ("a=.hidden",), ("a", "a"), ("a=x", "b=x"), [f"k{n}" for n in range(MAX_SECRETS + 1)]],
)
def test_names_that_break_a_rule_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(Rejected):
        check_secret_files(name_secrets(*words), [SEVEN])


def test_names_within_the_rules_pass_and_a_word_of_a_later_version_is_not_members() -> None:
    check_secret_files(name_secrets("a", "b=c", "a=d"), [SEVEN])
    assert SecretUsers("everybody") not in (SecretUsers.MEMBERS, SecretUsers.ADMINS)


def test_a_secret_is_for_the_tasks_that_it_names_or_else_for_all() -> None:
    for_all = SecretFile(name="a", file="a")
    for_one = SecretFile(name="b", file="b", tasks=(EIGHT,))
    assert [for_all.is_for(SEVEN), for_all.is_for(EIGHT)] == [True, True]
    assert [for_one.is_for(SEVEN), for_one.is_for(EIGHT)] == [False, True]
    with pytest.raises(ValidationError, match="tasks"):
        SecretFile.model_validate({"name": "a", "tasks": []})


def test_a_secret_for_a_task_that_the_job_does_not_have_is_refused() -> None:
    for_both = SecretFile(name="key", file="key", tasks=(SEVEN, EIGHT))
    check_secret_files([for_both], [EIGHT, SEVEN, EIGHT])
    with pytest.raises(Rejected, match=r"^'secrets': 'tasks' of 'key' names task 8, which the job does not") as refused:
        check_secret_files([for_both], [SEVEN, SEVEN])
    assert refused.value.hint == "name some of 7, or leave 'tasks' out for all"


def test_a_jobs_secret_replaces_that_of_its_list_for_the_same_file_with_its_tasks() -> None:
    of_list = SecretFile(name="a", file="key", tasks=(SEVEN,))
    of_job = SecretFile(name="b", file="key")
    assert merge_files([of_list], [of_job]) == (of_job,)
