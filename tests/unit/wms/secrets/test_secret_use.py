"""Which secrets a job names, and under which names of files."""

import pytest

from schemas.automation.stored_secrets import SecretFile, SecretUsers
from schemas.errors import Rejected
from schemas.rules.secret_names import MAX_SECRETS
from wms.secrets.secret_use import check_file_names, merge_files


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
        check_file_names(name_secrets(*words))


def test_names_within_the_rules_pass_and_a_word_of_a_later_version_is_not_members() -> None:
    check_file_names(name_secrets("a", "b=c", "a=d"))
    assert SecretUsers("everybody") not in (SecretUsers.MEMBERS, SecretUsers.ADMINS)
