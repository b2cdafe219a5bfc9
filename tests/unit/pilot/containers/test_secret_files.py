"""The texts of a program that come as a secret: they replace the masks, and nothing else."""

import json
from pathlib import Path

import pytest

from pilot.containers.secret_files import FilledProgram, fill_program, read_secrets
from pilot.errors import SettingsInvalid
from pilot.settings import read_settings
from schemas.pilot.job_names import SECRETS_FILE
from schemas.pilot.pilot_wire import write_program_secret
from schemas.rules.secret_names import PROGRAM_SECRET

MASKED = {
    "EWMS_PILOT_TASK_IMAGE": "/images/reco",
    "EWMS_PILOT_TASK_ARGS": "load --password $encrypted$",
    "EWMS_PILOT_TASK_ENV_JSON": '{"PW": "$encrypted$"}',
    "EWMS_PILOT_INIT_ARGS": "fetch",
    "EWMS_PILOT_QUEUE_INCOMING": "in",
    "EWMS_PILOT_QUEUE_INCOMING_BROKER_ADDRESS": "x",
    "EWMS_PILOT_SECRETS": f"db-password,{PROGRAM_SECRET}",
}
TEXTS = {"task_args": "load --password 'S3cret word'", "task_env": {"PW": "S3cret word"}}


def put(directory: Path, values: object, mode: int = 0o600) -> None:
    file = directory / SECRETS_FILE
    file.touch(mode=0o600)
    file.write_text(json.dumps(values))
    file.chmod(mode)


def test_the_hidden_texts_replace_the_masks_and_become_no_file(tmp_path: Path) -> None:
    put(tmp_path, {"db-password": "of a file", PROGRAM_SECRET: write_program_secret(TEXTS)})
    found = fill_program(MASKED, str(tmp_path))
    assert "S3cret" not in repr(found.hidden and FilledProgram({}, found.hidden))
    assert found.hidden == ("S3cret word",)
    filled = found.environment
    changed = {name for name in filled if filled[name] != MASKED.get(name)}
    assert changed == {"EWMS_PILOT_TASK_ARGS", "EWMS_PILOT_TASK_ENV_JSON"}
    settings = read_settings(filled, directory=str(tmp_path))
    assert settings.task.args == ("load", "--password", "S3cret word")
    assert settings.task.environment == {"PW": "S3cret word"}
    assert read_secrets(settings, str(tmp_path)) == {"db-password": "of a file"}


def test_a_program_without_hidden_texts_stays_as_it_is(tmp_path: Path) -> None:
    for names in ("db-password", ""):
        told = {**MASKED, "EWMS_PILOT_SECRETS": names}
        assert fill_program(told, str(tmp_path)) == FilledProgram(told)
    only = {**MASKED, "EWMS_PILOT_SECRETS": PROGRAM_SECRET}
    put(tmp_path, {PROGRAM_SECRET: write_program_secret(TEXTS)})
    settings = read_settings(fill_program(only, str(tmp_path)).environment, directory=str(tmp_path))
    assert read_secrets(settings, str(tmp_path)) == {}


@pytest.mark.parametrize(
    ("shown", "real", "hidden"),
    [
        ("a --pw=$encrypted$ b", "a --pw=S3cret b", ("S3cret",)),
        ("a $encrypted$ b", "a S3cret word b", ("S3cret word",)),
        ("a '$encrypted$' $encrypted$", "a 'S3cret word' other", ("S3cret word", "other")),
        ("a '$encrypted$", "a 'S3cret", ("S3cret",)),
        ("a b", "a b", ()),
    ],
)
def test_the_secrets_in_arguments_are_known_so_that_what_the_task_writes_is_masked(
    tmp_path: Path, shown: str, real: str, hidden: tuple[str, ...]
) -> None:
    put(tmp_path, {PROGRAM_SECRET: write_program_secret({"init_args": real})})
    told = {**MASKED, "EWMS_PILOT_INIT_ARGS": shown}
    assert fill_program(told, str(tmp_path)).hidden == hidden


@pytest.mark.parametrize(
    ("values", "mode", "problem"),
    [
        (None, 0, "the task's secrets are in"),
        ({PROGRAM_SECRET: write_program_secret(TEXTS)}, 0o644, "which others can read"),
        (["S3cret"], 0o600, "must be a JSON object of texts"),
        ({"db-password": "S3cret"}, 0o600, "must have the texts of the program that are hidden"),
        ({PROGRAM_SECRET: "S3cret"}, 0o600, "must have the texts of the program that are hidden"),
        ({PROGRAM_SECRET: '{"PATH": "S3cret"}'}, 0o600, "must have the texts of the program that are hidden"),
    ],
)
def test_a_pilot_without_its_hidden_texts_does_not_begin(
    tmp_path: Path, values: object, mode: int, problem: str
) -> None:
    if values is not None:
        put(tmp_path, values, mode)
    with pytest.raises(SettingsInvalid) as refused:
        fill_program(MASKED, str(tmp_path))
    assert problem in refused.value.reason
    assert "S3cret" not in refused.value.reason
