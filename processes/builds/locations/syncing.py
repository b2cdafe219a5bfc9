"""Bring a built image to every location that an order names."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from processes.builds.build_errors import BuildFailed, LocationsLackImage
from processes.builds.build_place import BuildPlace, name_build
from processes.builds.locations.image_directory import LocationUnreachable, publish_to_directory
from processes.builds.locations.image_registry import RegistryPush
from processes.builds.settings import BuilderSettings, ImageLocation
from processes.builds.sources.credentials import find_credential
from schemas.automation.builds import BuildOrder, BuiltImage, LocationSync, SyncedImage, SyncState


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSync:
    """Brings `image`, which lies in `place`, to the locations of `order`. Changes of a location go to `report`."""

    order: BuildOrder
    image: BuiltImage
    place: BuildPlace
    settings: BuilderSettings
    report: Callable[[str, LocationSync], None]

    def sync_all(self) -> dict[str, SyncedImage]:
        """Bring the image to each location, and return where it lies there. A location that has it is only verified.

        Raises:
            LocationsLackImage: some location cannot get the image now.
            BuildFailed: the builder does not know a location, or no location can take the image.
        """
        if unknown := sorted(set(self.order.locations) - set(self.settings.build_locations)):
            raise BuildFailed(
                f"locations: the builder knows no location {unknown[0]!r}; the operator names locations in "
                "EWMS_BUILD_LOCATIONS"
            )
        synced: dict[str, SyncedImage] = {}
        problems: list[str] = []
        for name in self.order.locations:
            self.report(name, LocationSync(state=SyncState.COPYING))
            try:
                image = self._sync_one(self.settings.build_locations[name])
            except LocationUnreachable as error:
                problems.append(f"location {name!r}: {error}")
                self.report(name, LocationSync(state=SyncState.UNREACHABLE, reason=str(error)[:2000]))
            else:
                synced[name] = SyncedImage(digest=self.image.digest, image=image)
                self.report(name, LocationSync(state=SyncState.SYNCED, image=image))
        if problems:
            raise LocationsLackImage("; ".join(problems))
        return synced

    def _sync_one(self, location: ImageLocation) -> str:
        if location.directory:
            build = name_build(self.order.build)
            placed = publish_to_directory(
                self.place.root,
                Path(location.directory),
                digest=self.image.digest,
                build=build,
                max_bytes=self.order.limits.image_bytes,
            )
            return str(placed)
        try:
            credential = find_credential(self.settings.build_credentials, location.credential, self.place)
        except BuildFailed as error:
            raise LocationUnreachable(str(error)) from error
        push = RegistryPush(
            place=self.place, settings=self.settings, repository=location.registry, credential=credential
        )
        return push.publish(self.image.digest)
