"""Read the directory of pilot images at every request, so that a new image is used at once."""

import asyncio
import os
from pathlib import Path

from schemas.errors import Unavailable
from wms.fleet.choices.pilot_tags import PilotTags, find_tags


class FixedTag:
    """Pilot images without a directory. The settings name the tag for `latest`, and any other tag is accepted."""

    def __init__(self, tag: str) -> None:
        self._tags = PilotTags(latest=tag)

    async def list_tags(self) -> PilotTags:
        """Return the tags."""
        return self._tags


class ImageDirectory:
    """Pilot images as entries `<image>:<tag>` of a directory."""

    def __init__(self, directory: Path, image: str) -> None:
        self._directory = directory
        self._image = image

    async def list_tags(self) -> PilotTags:
        """Return the tags of the images that are in the directory now.

        Raises:
            Unavailable: the directory cannot be read. If it is on a network file system, it may be readable again
                later.
        """
        try:
            entries = await asyncio.to_thread(os.listdir, self._directory)
        except OSError as error:
            raise Unavailable("the directory of pilot images (EWMS_IMAGE_DIR) cannot be read") from error
        return find_tags(entries, self._image)


PilotImages = FixedTag | ImageDirectory
