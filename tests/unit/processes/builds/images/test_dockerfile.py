"""Which base images a Dockerfile needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.builds.images.dockerfile import UnreadableDockerfile, find_base_images


@pytest.mark.parametrize(
    ("dockerfile", "images"),
    [
        ("FROM alpine:latest\nRUN id\n", ("alpine:latest",)),
        ("from alpine\n", ("alpine",)),
        ("\ufeffFROM alpine", ("alpine",)),
        ("# a comment\n\nFROM   alpine   AS  base\nFROM base\nCOPY --from=base /a /b\n", ("alpine",)),
        ("FROM --platform=linux/amd64 alpine@sha256:0 AS x\n", ("alpine@sha256:0",)),
        ("FROM scratch\nCOPY . /\n", ()),
        ("FROM a\nFROM b\nCOPY --from=0 /x /x\nCOPY --from=c --chown=1 /x /x\n", ("a", "b", "c")),
        ("FROM a\nCOPY --chown=1 --from=c /x /x\n", ("a", "c")),
        ("FROM a\nRUN --mount=type=bind,from=b,target=/x ls\n", ("a", "b")),
        ("FROM a\nRUN --mount=from=b,target=/x ls\n", ("a", "b")),
        ("ARG V=3\nARG BASE=alpine:$V\nFROM ${BASE}\n", ("alpine:3",)),
        ("ARG V\nFROM alpine:${V:-edge}\n", ("alpine:edge",)),
        ('ARG V="3"\nFROM alpine:${V}\n', ("alpine:3",)),
        ("FROM \\\n  alpine\n", ("alpine",)),
        ("FROM \\\n# a comment between\n  alpine\n", ("alpine",)),
        ("# escape=`\nFROM `\nalpine\n", ("alpine",)),
        ("FROM a\nRUN <<EOF\nFROM evil\nEOF\nRUN id\n", ("a",)),
        ("FROM a\nRUN echo 'FROM b'\n", ("a",)),
        ("FROM a AS Build\nCOPY --from=build /x /x\n", ("a",)),
        ("FROM a\nFROM a\n", ("a",)),
    ],
)
def test_the_names_are_found_in_order(dockerfile: str, images: tuple[str, ...]) -> None:
    assert find_base_images(dockerfile) == images


@pytest.mark.parametrize(
    ("dockerfile", "says"),
    [
        ("", "it has no FROM"),
        ("RUN id\nFROM a\n", "line 1: RUN stands before FROM"),
        ("FROM\n", "line 1: FROM needs an image"),
        ("FROM a b c\n", "line 1: FROM needs an image"),
        ("ARG V\nFROM $V\n", "line 2: FROM uses a variable without a value"),
    ],
)
def test_an_unreadable_file_names_the_line_and_the_rule(dockerfile: str, says: str) -> None:
    with pytest.raises(UnreadableDockerfile, match=says):
        find_base_images(dockerfile)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        names = find_base_images(text)
    except UnreadableDockerfile:
        return
    assert all((name and "$" not in name) or name.startswith("$") is False for name in names)
