"""What a pilot's tag means."""

import pytest

from wms.fleet.choices.pilot_tags import PilotTags, TagNotFound, find_tags

ENTRIES = [
    "ewms-pilot:1.2.0",
    "ewms-pilot:1.10.3",
    "ewms-pilot:fix-it-4f2a1b",
    "ewms-pilot:99.0.0-rc1",
    "ewms-pilot-debug:50.0.0",
    "other:60.0.0",
    "ewms-pilot",
    "README",
]


def test_latest_is_the_highest_version_by_number_of_this_image_only() -> None:
    assert find_tags(ENTRIES, "ewms-pilot").resolve_tag("latest") == "1.10.3"


def test_a_tag_that_is_there_means_itself() -> None:
    tags = find_tags(ENTRIES, "ewms-pilot")
    assert [tags.resolve_tag(tag) for tag in ("1.2.0", "fix-it-4f2a1b")] == ["1.2.0", "fix-it-4f2a1b"]


@pytest.mark.parametrize(("entries", "tag"), [(ENTRIES, "9.9.9"), (["other:1.0.0"], "latest"), ([], "1.0.0")])
def test_a_tag_that_is_not_there_is_refused_in_the_contracts_words(entries: list[str], tag: str) -> None:
    with pytest.raises(TagNotFound, match=r"^Pilot image tag not found\. "):
        find_tags(entries, "ewms-pilot").resolve_tag(tag)


def test_without_a_directory_any_tag_is_believed() -> None:
    assert PilotTags(latest="1.0.0").resolve_tag("7.0.0") == "7.0.0"
