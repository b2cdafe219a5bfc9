"""Push an image to the registry of a location, and verify it there."""

from dataclasses import dataclass
from pathlib import Path

from processes.builds.build_place import BuildPlace
from processes.builds.images.image_build import IMAGE_TAG
from processes.builds.locations.image_directory import LocationUnreachable
from processes.builds.sandbox.limits import RunLimits
from processes.builds.sandbox.plan import CONF
from processes.builds.settings import BuilderSettings

_AUTH = "/credential"
#: skopeo reads no variables that name these files.
_CONFIGURATION = ("--policy", f"{CONF}/policy.json", "--registries-conf", f"{CONF}/registries.conf")
_LIMITS = RunLimits(time_s=1800.0, memory_bytes=2 << 30, disk_bytes=64 << 30, log_bytes=1 << 20)
_TAIL = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryPush:
    """Pushes the image in `place` to a registry. `repository` is the host and the name there: host/name."""

    place: BuildPlace
    settings: BuilderSettings
    repository: str
    credential: Path | None = None

    def publish(self, digest: str) -> str:
        """Push the image with `digest`, and return its address for a task directive.

        Raises:
            LocationUnreachable: the registry refused it, cannot be reached, or has another digest.
        """
        address = f"docker://{self.repository}@{digest}"
        if self._read_digest(address) != digest:
            tag = digest.replace(":", "-")
            self._run_skopeo(
                "copy", "--preserve-digests", f"oci:/work/image:{IMAGE_TAG}", f"docker://{self.repository}:{tag}"
            )
            if (found := self._read_digest(address)) != digest:
                raise LocationUnreachable(
                    f"the registry has {found or 'nothing'} instead of {digest}; look at the registry"
                )
        return address

    def _read_digest(self, address: str) -> str:
        try:
            return self._run_skopeo("inspect", "--no-tags", "--format", "{{.Digest}}", address).strip()
        except LocationUnreachable:
            return ""

    def _run_skopeo(self, verb: str, *words: str) -> str:
        messages = bytearray()
        runner = self.place.runner
        auth = ["--authfile", _AUTH] if self.credential is not None else []
        end = runner.run(
            self.place.directory,
            [f"{runner.tree}/usr/bin/skopeo", *_CONFIGURATION, verb, *auth, *words],
            limits=_LIMITS,
            take_output=messages.extend,
            readable={str(self.credential): _AUTH} if self.credential is not None else {},
            has_network=True,
        )
        text = messages.decode(errors="replace")
        if not end.is_success:
            reason = end.excess or (text.strip().splitlines() or [f"skopeo ended with status {end.status}"])[-1]
            raise LocationUnreachable(f"the registry {self.repository} does not take the image: {reason[-_TAIL:]}")
        return text
