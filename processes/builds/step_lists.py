"""The two step lists of the pool `ewms-builder`.

WMS launches them, and `schemas.automation.builds` says what they exchange.
"""

from datetime import timedelta
from typing import Any

from ewms.steps import State, StepList, begin, done, retrystep, step, workflow
from processes.builds.build_errors import BuildFailed
from processes.builds.settings import load_settings
from processes.builds.workshop import open_workshop
from schemas.automation.builds import COMMIT_KEY, IMAGE_KEY, SYNC_REFUSAL_KEY, SYNCED_KEY, BuildOrder, BuiltImage


@step("Look at the source")
def look_at_source(order: dict[str, Any], report_token: str) -> State:
    """Find the commit at the task's ref, or the digest of its directory."""
    found = open_workshop(load_settings()).find_commit(BuildOrder.model_validate(order), report_token)
    return {COMMIT_KEY: found.model_dump(mode="json")}


@step("Fetch the code")
def fetch_code(order: dict[str, Any], report_token: str) -> None:
    """Fetch the approved commit."""
    open_workshop(load_settings()).fetch_code(BuildOrder.model_validate(order), report_token)


@step("Build the image")
def build_image(order: dict[str, Any], report_token: str) -> State:
    """Build the image with buildah, and convert it for apptainer."""
    image = open_workshop(load_settings()).build_image(BuildOrder.model_validate(order), report_token)
    return {IMAGE_KEY: image.model_dump(mode="json")}


@retrystep("Copy the image to the locations", wait=timedelta(seconds=10), longest=timedelta(minutes=5))
def sync_image(order: dict[str, Any], report_token: str, image: dict[str, Any]) -> State:
    """Copy the image to each location that lacks it, and verify it there."""
    workshop = open_workshop(load_settings())
    built = BuiltImage.model_validate(image)
    try:
        synced = workshop.sync_image(BuildOrder.model_validate(order), report_token, built)
    except BuildFailed as error:
        # Another try would end in the same way, so the next step fails the build.
        return {SYNC_REFUSAL_KEY: str(error)}
    return {SYNCED_KEY: {name: one.model_dump(mode="json") for name, one in synced.items()}, SYNC_REFUSAL_KEY: ""}


@step("Verify that every location has it")
def confirm_sync(sync_refusal: str = "") -> None:
    """Fail the build if no further try can bring the image to a location."""
    if sync_refusal:
        raise BuildFailed(sync_refusal)


@step("Remove the build's files")
def remove_build(order: dict[str, Any]) -> None:
    """Remove the code and the local copies of the image."""
    open_workshop(load_settings()).remove_build(BuildOrder.model_validate(order))


@workflow("Find the commit of a catalogue task's source")
def find_task_commit() -> StepList:
    """Say which state of a source a person approves."""
    return begin >> look_at_source >> done


@workflow("Build the image of a catalogue task")
def build_task_image() -> StepList:
    """Build an approved task, and bring its image to every location."""
    return begin >> fetch_code >> build_image >> sync_image >> confirm_sync >> remove_build >> done
