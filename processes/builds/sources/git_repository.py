"""Fetch a commit of a git repository in a sandbox."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.build_place import BuildPlace
from processes.builds.sandbox.limits import RunLimits
from processes.builds.sources.code_tree import DOCKERFILE, find_directory
from processes.builds.sources.git_commands import (
    CREDENTIAL,
    HISTORY_DEPTH,
    REPOSITORY,
    build_git_argv,
    build_git_environment,
    fetch_words,
    find_submodules,
)
from schemas.automation.builds import BuildLimits, FoundCommit, GitSource

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MEMORY_BYTES = 2 << 30
_ANSWER_S = 120.0
_TAIL = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class GitFetcher:
    """Fetches from the repository of `source` into `place`. git's messages go to `take_output`."""

    place: BuildPlace
    source: GitSource
    limits: BuildLimits
    protocols: tuple[str, ...]
    take_output: Callable[[bytes], None]
    credential: Path | None = None
    #: The checked addresses of the host; "": any address.
    pin: str = ""

    def find_commit(self) -> FoundCommit:
        """Fetch the commit at the source's ref, and return it.

        Raises:
            BuildFailed: the repository cannot be fetched, or has no such ref, or no Dockerfile in the subdirectory.
        """
        self._begin_repository()
        self._fetch_or_fail(self.source.ref, depth=1)
        commit = self._ask("rev-parse", "--verify", "FETCH_HEAD^{commit}").decode().strip()
        self._check_tree(commit)
        facts = self._ask("log", "-1", "--no-show-signature", "--format=%s%x00%an <%ae>", commit)
        subject, _, author = facts.decode(errors="replace").strip().partition("\0")
        return FoundCommit(commit=commit, subject=subject[:1000], author=author[:1000])

    def check_out(self, commit: str) -> Path:
        """Fetch `commit`, write its files, and return the directory of the task's code.

        Raises:
            BuildFailed: the repository has no such commit any more, or the fetch exceeds its limits.
        """
        if not _COMMIT.fullmatch(commit):
            raise BuildFailed("commit: a git commit has 40 or 64 hex digits; look at the source again")
        self._begin_repository()
        if self._fetch(commit, depth=1):
            # Some servers give out branches only.
            self._fetch_or_fail(self.source.ref, depth=HISTORY_DEPTH)
        self._check_tree(commit)
        self._ask("checkout", "--quiet", "--force", "--detach", commit)
        return find_directory(self.place.directory / "repository", self.source.subdirectory)

    def _begin_repository(self) -> None:
        self.place.prepare(without=["repository", "code"])
        self._ask("init", "--quiet", "--template=", REPOSITORY)

    def _fetch_or_fail(self, ref: str, *, depth: int) -> None:
        if problem := self._fetch(ref, depth=depth):
            raise BuildFailed(f"the repository cannot be fetched: {problem}; check url, ref and credential of the task")

    def _fetch(self, ref: str, *, depth: int) -> str:
        """Fetch `ref`. Return why that failed, or "".

        Raises:
            BuildFailed: the fetch exceeded a limit.
        """
        tail = bytearray()

        def take(chunk: bytes) -> None:
            tail.extend(chunk)
            del tail[:-_TAIL]
            self.take_output(chunk)

        tree = str(self.place.runner.tree)
        words = fetch_words(self.source.url, ref, depth=depth)
        end = self.place.runner.run(
            self.place.directory,
            build_git_argv(
                tree, words, protocols=self.protocols, has_credential=self.credential is not None, pin=self.pin
            ),
            limits=RunLimits(
                time_s=self.limits.fetch_s,
                memory_bytes=_MEMORY_BYTES,
                disk_bytes=self.limits.fetch_bytes,
                log_bytes=self.limits.log_bytes,
            ),
            take_output=take,
            readable={str(self.credential): CREDENTIAL} if self.credential is not None else {},
            has_network=True,
            environment=build_git_environment(tree, self.protocols),
        )
        if end.excess:
            raise BuildFailed(f"the fetch was ended: {end.excess}; make the repository smaller, or ask the operator")
        if end.status == 0:
            return ""
        lines = tail.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"git ended with status {end.status}"

    def _check_tree(self, commit: str) -> None:
        below = self.source.subdirectory.strip("/")
        listing = self._ask("ls-tree", "-r", "-z", "--full-tree", commit, *(["--", f"{below}/"] if below else []))
        if below and not listing:
            raise BuildFailed(f"subdirectory: the commit has no directory {below!r}; name one that it has")
        if found := find_submodules(listing):
            raise BuildFailed(
                f"the task contains the submodule {found[0]!r}; submodules are not fetched: put its files into the task"
            )
        wanted = f"{below}/{DOCKERFILE}" if below else DOCKERFILE
        if not any(one.partition(b"\t")[2] == wanted.encode() for one in listing.split(b"\0")):
            raise BuildFailed(f"the task has no {DOCKERFILE}; add a plain file of this name beside the code")

    def _ask(self, *words: str) -> bytes:
        runner = self.place.runner
        argv = build_git_argv(str(runner.tree), words, protocols=(), has_credential=False)
        environment = build_git_environment(str(runner.tree), ())
        return runner.ask(
            self.place.directory, argv, environment=environment, what=f"git {words[0]} failed", time_s=_ANSWER_S
        )
