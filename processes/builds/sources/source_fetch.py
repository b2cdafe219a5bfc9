"""Find the state of a task's source, and fetch that state into the place of a build."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.build_place import BuildPlace
from processes.builds.settings import BuilderSettings
from processes.builds.sources.code_tree import copy_code, digest_code, read_dockerfile
from processes.builds.sources.credentials import find_credential
from processes.builds.sources.git_hosts import pin_git_host
from processes.builds.sources.git_repository import GitFetcher
from schemas.automation.build_sources import check_directory, check_git_ref, check_git_url, check_subdirectory
from schemas.automation.builds import BuildOrder, DirectorySource, FoundCommit, GitSource


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFetch:
    """Fetches the source of `order` into `place`. Messages for people go to `take_output`."""

    order: BuildOrder
    place: BuildPlace
    settings: BuilderSettings
    take_output: Callable[[bytes], None]

    def find_commit(self) -> FoundCommit:
        """Return the present state of the source. This executes nothing of the task.

        Raises:
            BuildFailed: the source is not allowed, or cannot be read, or has no Dockerfile.
        """
        source = self.order.source
        if isinstance(source, DirectorySource):
            top = self._find_directory(source)
            read_dockerfile(top)
            return FoundCommit(commit=digest_code(top, max_bytes=self.order.limits.fetch_bytes))
        return self._open_repository(source).find_commit()

    def fetch_code(self) -> None:
        """Copy the approved state of the source to `place.code`.

        Raises:
            BuildFailed: as `find_commit`, or the source has changed since its approval.
        """
        source, order, place = self.order.source, self.order, self.place
        if isinstance(source, DirectorySource):
            top = self._find_directory(source)
            place.prepare(without=["code"])
            found = copy_code(top, place.code, max_bytes=order.limits.fetch_bytes, owner=place.account)
            if found != order.commit:
                raise BuildFailed("the directory has changed since its approval: rebuild the task")
        else:
            top = self._open_repository(source).check_out(order.commit)
            copy_code(top, place.code, max_bytes=order.limits.fetch_bytes, owner=place.account)
            place.runner.remove_contents(place.directory, ["repository", "credential"])
        read_dockerfile(place.code)

    def _find_directory(self, source: DirectorySource) -> Path:
        roots = self.settings.task_roots
        _refuse(check_directory(source.path, roots))
        real = Path(os.path.realpath(source.path))
        if not any(real.is_relative_to(os.path.realpath(root)) for root in roots):
            raise BuildFailed(
                f"path: {source.path} is a link out of the allowed roots; move the task there, or use git"
            )
        if not real.is_dir():
            raise BuildFailed(f"path: {source.path} is no directory of the builder's machine; create it, or use git")
        return real

    def _open_repository(self, source: GitSource) -> GitFetcher:
        settings = self.settings
        _refuse(check_git_url(source.url, settings.build_git_protocols, settings.build_git_hosts))
        _refuse(check_git_ref(source.ref))
        _refuse(check_subdirectory(source.subdirectory))
        return GitFetcher(
            place=self.place,
            source=source,
            limits=self.order.limits,
            protocols=settings.build_git_protocols,
            take_output=self.take_output,
            credential=find_credential(settings.build_credentials, source.credential, self.place),
            pin=pin_git_host(source.url, settings.build_git_hosts),
        )


def _refuse(problem: str) -> None:
    if problem:
        raise BuildFailed(problem)
