"""Carry out the orders of the builder: look at a source, fetch it, build it, sync it, clean up.

Each of these may be called again after a crash at any point. It then begins again, or finds its work done.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from processes.builds.build_errors import BuildFailed
from processes.builds.build_place import BuildPlace, lock_build, name_build
from processes.builds.images.apptainer_image import convert_image
from processes.builds.images.image_build import ImageBuild
from processes.builds.locations.syncing import ImageSync
from processes.builds.programs import Programs, find_programs
from processes.builds.reporter import BuildReporter
from processes.builds.sandbox.runner import SandboxRunner
from processes.builds.settings import BuilderSettings
from processes.builds.sources.source_fetch import SourceFetch
from schemas.automation.builds import BuildOrder, BuildStage, BuiltImage, FoundCommit, SyncedImage

#: What is kept of a build: the commit whose code is there, and the image that is there.
_FETCHED = "fetched"
_BUILT = "built"


@dataclass(frozen=True, slots=True)
class Workshop:
    """The builder: its settings and its programs."""

    settings: BuilderSettings
    programs: Programs
    #: Gets the log of each build, besides WMS.
    listen: Callable[[bytes], None] = lambda _: None

    def find_commit(self, order: BuildOrder, token: str) -> FoundCommit:
        """Return the present state of the source of `order`. This executes nothing of the task.

        Raises:
            BuildFailed: the source is not allowed, cannot be read, or has no Dockerfile.
        """
        with self._open_place(order) as place, self._open_reporter(order, token, BuildStage.FETCH) as reporter:
            try:
                return self._make_fetch(order, place, reporter).find_commit()
            finally:
                place.remove()

    def fetch_code(self, order: BuildOrder, token: str) -> None:
        """Fetch the approved state of the source.

        Raises:
            BuildFailed: as `find_commit`, or the source has changed.
        """
        with self._open_place(order) as place, self._open_reporter(order, token, BuildStage.FETCH) as reporter:
            self._fetch(order, place, reporter)

    def build_image(self, order: BuildOrder, token: str) -> BuiltImage:
        """Build the image, and convert it for apptainer.

        Raises:
            BuildFailed: the Dockerfile is refused or fails, or a limit is exceeded.
        """
        with self._open_place(order) as place, self._open_reporter(order, token, BuildStage.BUILD) as reporter:
            return self._build(order, place, reporter)

    def sync_image(self, order: BuildOrder, token: str, image: BuiltImage) -> dict[str, SyncedImage]:
        """Bring `image` to the locations of `order`, and return where it lies there.

        Raises:
            LocationsLackImage: a location cannot get it now.
            BuildFailed: the image is not here any more, or a location is unknown.
        """
        with self._open_place(order) as place, self._open_reporter(order, token, BuildStage.SYNC) as reporter:
            if _read_marker(place, _BUILT) != image.model_dump(mode="json"):
                raise BuildFailed("the builder does not have this image any more: rebuild the task")
            return ImageSync(
                order=order, image=image, place=place, settings=self.settings, report=reporter.take_location
            ).sync_all()

    def remove_build(self, order: BuildOrder) -> None:
        """Remove the files of the build."""
        with self._open_place(order) as place:
            place.remove()

    def _fetch(self, order: BuildOrder, place: BuildPlace, reporter: BuildReporter) -> None:
        if _read_marker(place, _FETCHED) == order.commit:
            return
        place.remove()
        try:
            self._make_fetch(order, place, reporter).fetch_code()
        except BuildFailed:
            place.remove()
            raise
        _write_marker(place, _FETCHED, order.commit)

    def _build(self, order: BuildOrder, place: BuildPlace, reporter: BuildReporter) -> BuiltImage:
        if (built := _read_marker(place, _BUILT)) is not None:
            return BuiltImage.model_validate(built)
        self._fetch(order, place, reporter)
        build = ImageBuild(
            place=place,
            programs=self.programs,
            settings=self.settings,
            limits=order.limits,
            hosts=order.network,
            take_output=reporter.take_output,
        )
        try:
            image = build.build_image()
            convert_image(place, self.programs, order.limits, reporter.take_output)
        except BuildFailed:
            place.remove()
            raise
        _write_marker(place, _BUILT, image.model_dump(mode="json"))
        return image

    def _make_fetch(self, order: BuildOrder, place: BuildPlace, reporter: BuildReporter) -> SourceFetch:
        return SourceFetch(order=order, place=place, settings=self.settings, take_output=reporter.take_output)

    @contextmanager
    def _open_place(self, order: BuildOrder) -> Iterator[BuildPlace]:
        settings = self.settings
        runner = SandboxRunner(
            tree=self.programs.builder,
            conf=settings.build_directory / "conf",
            holder=settings.build_holder,
            max_processes=settings.build_max_processes,
        )
        with lock_build(settings.build_directory, order.build):
            runner.write_configuration(settings.build_plain_registries)
            directory = settings.build_directory / "builds" / name_build(order.build)
            yield BuildPlace(directory, runner, settings.build_account)

    def _open_reporter(self, order: BuildOrder, token: str, stage: BuildStage) -> BuildReporter:
        address = f"{self.settings.gateway.rstrip('/')}{order.report_path}"
        has_address = bool(self.settings.gateway and order.report_path)
        return BuildReporter(
            address if has_address else "", token, stage, max_log_bytes=order.limits.log_bytes, listen=self.listen
        )


def open_workshop(settings: BuilderSettings) -> Workshop:
    """Return the builder with `settings`. The first call may download its programs.

    Raises:
        BuildFailed: the programs cannot be fetched.
    """
    return Workshop(settings, find_programs(settings))


def _read_marker(place: BuildPlace, name: str) -> Any:
    try:
        return json.loads(place.name_marker(name).read_bytes())
    except (OSError, ValueError):
        return None


def _write_marker(place: BuildPlace, name: str, content: Any) -> None:
    marker = place.name_marker(name)
    partial = marker.with_name(f"{marker.name}.partial")
    partial.write_text(json.dumps(content))
    partial.rename(marker)
