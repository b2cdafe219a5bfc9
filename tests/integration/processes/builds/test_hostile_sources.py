"""Sources that would read or run something else: each is refused, and nothing of it stays."""

import os
from pathlib import Path

import pytest

from processes.builds.build_errors import BuildFailed
from processes.builds.workshop import Workshop
from schemas.automation.builds import BuildLimits, BuildOrder, DirectorySource, GitSource
from tests.integration.processes.builds.conftest import MIB, GitServer, TaskFiles


def look(workshop: Workshop, source: GitSource | DirectorySource, **limits: float) -> str:
    """Look at a source, and return why that failed."""
    order = BuildOrder(build="h1", task=1, version=1, source=source, limits=BuildLimits(**limits))
    with pytest.raises(BuildFailed) as raised:
        workshop.find_commit(order, "")
    assert not list((workshop.settings.build_directory / "builds").glob("*"))
    return str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc",
        "ext::sh -c touch% /tmp/ewms-hostile",
        "--upload-pack=touch /tmp/ewms-hostile",
        "-u/tmp/x",
        "ssh://-oProxyCommand=touch/x",
        "git://127.0.0.1/../etc",
        "/etc",
        "git::https://x/y",
        "https://user:secret@example.org/a",
        "https://example.org/a b",
        "git://127.0.0.1:1/--upload-pack=x",
    ],
)
def test_an_address_that_is_more_than_an_address_is_refused(workshop: Workshop, url: str) -> None:
    reason = look(workshop, GitSource(url=url))
    assert reason.startswith("url: ")
    assert "secret" not in reason
    assert not Path("/tmp/ewms-hostile").exists()


@pytest.mark.parametrize("ref", ["--upload-pack=touch /tmp/x", "-x", "a..b", "a b", "refs/heads/*", "+main:main", "@"])
def test_a_ref_that_is_no_name_is_refused(workshop: Workshop, git_server: GitServer, ref: str) -> None:
    git_server.commit(Dockerfile="FROM scratch\n")
    assert look(workshop, git_server.source(ref)).startswith(("ref: ", "url: "))


def test_git_itself_refuses_what_the_rules_would_let_through(workshop: Workshop, tmp_path: Path) -> None:
    """The rules of addresses are the first fence; git's own list of protocols is the second."""
    from processes.builds.build_place import BuildPlace
    from processes.builds.sources.git_repository import GitFetcher

    with workshop._open_place(BuildOrder(build="h2", task=1, version=1, source=GitSource(url="x"))) as place:
        assert isinstance(place, BuildPlace)
        for url in ("ext::sh -c touch% /work/touched", "file:///work", "--upload-pack=touch /work/touched"):
            fetcher = GitFetcher(
                place=place,
                source=GitSource(url=url),
                limits=BuildLimits(),
                protocols=("https",),
                take_output=lambda _: None,
            )
            with pytest.raises(BuildFailed, match="cannot be fetched"):
                fetcher.find_commit()
            assert not (place.directory / "touched").exists()
        place.remove()


def test_a_submodule_is_refused_and_not_fetched(git_workshop: Workshop, git_server: GitServer) -> None:
    commit = git_server.commit(Dockerfile="FROM scratch\n")
    git_server.run("update-index", "--add", "--cacheinfo", f"160000,{commit},bomb")
    modules = f'[submodule "bomb"]\n\tpath = bomb\n\turl = {git_server.url}\n'
    (git_server.repository / ".gitmodules").write_text(modules)
    git_server.run("add", ".gitmodules")
    git_server.run("commit", "--quiet", "--message", "bomb")
    assert "contains the submodule 'bomb'; submodules are not fetched" in look(git_workshop, git_server.source())


def test_a_repository_that_is_too_large_ends_the_fetch(git_workshop: Workshop, git_server: GitServer) -> None:
    (git_server.repository / "noise").write_bytes(os.urandom(40 * MIB))
    git_server.commit(Dockerfile="FROM scratch\n")
    reason = look(git_workshop, git_server.source(), fetch_bytes=8 * MIB)
    assert "MiB of disk" in reason or "cannot be fetched" in reason


def test_links_of_a_repository_lead_nowhere(git_workshop: Workshop, git_server: GitServer) -> None:
    (git_server.repository / "task").symlink_to("/etc")
    (git_server.repository / "other").mkdir()
    (git_server.repository / "other/Dockerfile").symlink_to("/etc/passwd")
    git_server.commit(Dockerfile="FROM scratch\n")
    assert "no directory 'task'" in look(git_workshop, git_server.source(subdirectory="task"))
    source = git_server.source(subdirectory="other")
    order = BuildOrder(build="h3", task=1, version=1, source=source, commit=git_server.run("rev-parse", "HEAD"))
    with pytest.raises(BuildFailed, match="leads out of the task's directory"):
        git_workshop.fetch_code(order, "")


def test_hooks_and_filters_of_a_repository_do_not_run(git_workshop: Workshop, git_server: GitServer) -> None:
    commit = git_server.commit(
        **{
            "Dockerfile": "FROM scratch\n",
            ".gitattributes": "* filter=evil\n",
            "hooks/post-checkout": "#!/bin/sh\nexit 9",
        }
    )
    order = BuildOrder(build="h4", task=1, version=1, source=git_server.source(), commit=commit)
    git_workshop.fetch_code(order, "")
    git_workshop.remove_build(order)


@pytest.mark.parametrize("path", ["/etc", "/root", "relative", "{root}/../../etc", "{root}/task\n/x"])
def test_a_directory_outside_of_the_roots_is_refused(workshop: Workshop, tmp_path: Path, path: str) -> None:
    assert look(workshop, DirectorySource(path=path.format(root=tmp_path))).startswith("path: ")


def test_links_of_a_directory_lead_nowhere(workshop: Workshop, task: TaskFiles, tmp_path: Path) -> None:
    task.write("FROM scratch\n")
    (tmp_path / "away").symlink_to("/etc")
    assert "is a link out of the allowed roots" in look(workshop, DirectorySource(path=str(tmp_path / "away")))
    for target in ("/etc/passwd", "../../../etc/passwd"):
        (task.directory / "link").symlink_to(target)
        assert "link leads out" in look(workshop, DirectorySource(path=str(task.directory)))
        (task.directory / "link").unlink()
    os.mkfifo(task.directory / "pipe")
    assert "pipe is neither a file nor a directory" in look(workshop, DirectorySource(path=str(task.directory)))
