"""Build the image of a task with buildah, and read what it built.

The base images are fetched first, with a network. Then the Dockerfile runs without one: an `ADD` from the network, a
`FROM` of another image and a `RUN` all fail there.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from processes.builds.build_errors import BuildFailed
from processes.builds.build_place import BuildPlace
from processes.builds.images.base_images import (
    BaseImage,
    BaseImageRefused,
    BasePolicy,
    DirectoryBase,
    OwnBase,
)
from processes.builds.images.buildah_commands import BASE_TAG, Buildah
from processes.builds.images.dockerfile import UnreadableDockerfile, find_base_images
from processes.builds.images.own_bases import prepare_base
from processes.builds.programs import Programs
from processes.builds.sandbox.limits import RunLimits, describe_bytes
from processes.builds.sandbox.proxy_requests import list_closed_hosts
from processes.builds.settings import BuilderSettings
from processes.builds.sources.code_tree import read_dockerfile
from schemas.automation.builds import BuildLimits, BuiltImage

#: The image's name in the OCI directory. buildah writes it there at once, without a copy in its store.
IMAGE_TAG = "task"

#: While buildah works, its directory holds at most so many copies of an image: base, container, another stage, the OCI
#: directory.
_N_COPIES = 4
_TAIL = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBuild:
    """Builds the code in `place` within `limits`. buildah's output goes to `take_output`."""

    place: BuildPlace
    programs: Programs
    settings: BuilderSettings
    limits: BuildLimits
    #: The hosts that RUN may reach.
    hosts: tuple[str, ...] = ()
    take_output: Callable[[bytes], None]

    def build_image(self) -> BuiltImage:
        """Build the image in `place.oci_image`, and return it.

        Raises:
            BuildFailed: the Dockerfile is refused or fails, or the build exceeds a limit.
        """
        if closed := list_closed_hosts(self.hosts, self.settings.build_network_hosts):
            reason = f"builds may not reach the host {closed[0]}; the operator opens hosts in EWMS_BUILD_NETWORK_HOSTS"
            raise BuildFailed(f"network: {reason}")
        self.place.prepare(without=["store", "run", "image"])
        for written, base in self._find_bases().items():
            self._bring_base(written, base)
        tail = bytearray()

        def take(chunk: bytes) -> None:
            tail.extend(chunk)
            del tail[:-_TAIL]
            self.take_output(chunk)

        words = ["bud", "--pull=never", "--network=host", "--layers=false", "--no-cache"]
        words += ["--tag", f"oci:/work/image:{IMAGE_TAG}", "--file", "/work/code/Dockerfile", "/work/code"]
        end = Buildah(self.place, take).run(words, limits=self._limits, hosts=self.hosts)
        if end.excess:
            raise BuildFailed(f"the build was ended: {end.excess}; make the image smaller, or ask for larger limits")
        if not end.is_success:
            lines = tail.decode(errors="replace").strip().splitlines() or [f"buildah ended with status {end.status}"]
            raise BuildFailed(f"the build failed: {lines[-1]}; the build log says more")
        return self._read_image()

    @property
    def _limits(self) -> RunLimits:
        limits = self.limits
        return RunLimits(
            time_s=limits.build_s,
            memory_bytes=limits.build_memory_bytes,
            disk_bytes=_N_COPIES * limits.image_bytes,
            log_bytes=limits.log_bytes,
            n_processes=self.settings.build_max_processes,
        )

    def _find_bases(self) -> dict[str, BaseImage]:
        settings = self.settings
        policy = BasePolicy(tuple(self.programs.bases), settings.build_base_roots, settings.build_registries)
        try:
            names = find_base_images(read_dockerfile(self.place.code))
            return {name: policy.find_base(name) for name in names}
        except UnreadableDockerfile as error:
            raise BuildFailed(f"the Dockerfile cannot be read: {error}") from error
        except BaseImageRefused as error:
            raise BuildFailed(f"the Dockerfile is refused: {error}") from error

    def _bring_base(self, written: str, base: BaseImage) -> None:
        """Store the image `base` under the name that the Dockerfile writes."""
        if isinstance(base, OwnBase):
            image = prepare_base(
                self.settings.build_directory,
                base.name,
                self.programs.bases[base.name],
                self.place.runner,
                account=self.place.account,
            )
            self._pull_image(written, f"oci:/base:{BASE_TAG}", image)
        elif isinstance(base, DirectoryBase):
            real = Path(base.path).resolve()
            if not any(real.is_relative_to(Path(root).resolve()) for root in self.settings.build_base_roots):
                raise BuildFailed(f"FROM {written}: the directory is a link out of the operator's base images; move it")
            self._pull_image(written, f"oci:/base{f':{base.tag}' if base.tag else ''}", real)
        else:
            self._pull_image(written, f"docker://{base.reference}", None)

    def _pull_image(self, written: str, address: str, directory: Path | None) -> None:
        messages = bytearray()
        buildah = Buildah(self.place, messages.extend)
        readable = {str(directory): "/base"} if directory is not None else {}
        end = buildah.run(
            ["pull", "--quiet", address], limits=self._limits, readable=readable, has_network=directory is None
        )
        lines = messages.decode(errors="replace").strip().splitlines()
        if not end.is_success or not lines:
            reason = end.excess or (lines[-1] if lines else f"buildah ended with status {end.status}")
            raise BuildFailed(f"FROM {written}: the base image cannot be fetched: {reason[:_TAIL]}; check its name")
        messages.clear()
        if not buildah.run(["tag", lines[-1], _local_name(written)]).is_success:
            raise BuildFailed(
                f"FROM {written}: buildah cannot store the base image: {messages.decode(errors='replace')}"
            )

    def _read_image(self) -> BuiltImage:
        image = read_oci_image(self.place.oci_image)
        self.place.runner.remove_contents(self.place.directory, ["store", "run"])
        if image.size_bytes > self.limits.image_bytes:
            size, limit = describe_bytes(image.size_bytes), describe_bytes(self.limits.image_bytes)
            raise BuildFailed(f"the image takes {size}, more than {limit}; remove what the task does not need")
        return image


def read_oci_image(directory: Path) -> BuiltImage:
    """Return the image in the OCI directory `directory`, after a check of its manifest's digest.

    Raises:
        BuildFailed: the directory holds no whole image.
    """
    try:
        [entry] = json.loads((directory / "index.json").read_bytes())["manifests"]
        digest = str(entry["digest"])
        manifest = (directory / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()
        if f"sha256:{hashlib.sha256(manifest).hexdigest()}" != digest:
            raise ValueError("the manifest has another digest")
        read = json.loads(manifest)
        size = sum(int(layer["size"]) for layer in (*read["layers"], read["config"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildFailed(f"buildah wrote no whole image: {error}; rebuild the task") from error
    return BuiltImage(digest=digest, size_bytes=size + len(manifest))


def _local_name(written: str) -> str:
    """Return the name under which buildah finds an image that a Dockerfile calls `written`."""
    name = written.partition("@")[0]
    if written.startswith("oci:") or "." in name.partition("/")[0] or name.startswith("localhost"):
        return name
    return f"localhost/{name}"
