"""Run buildah in the sandbox of a build."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from processes.builds.build_place import BuildPlace
from processes.builds.sandbox.bounded_process import RunEnd
from processes.builds.sandbox.limits import RunLimits
from processes.builds.sandbox.plan import CONF

#: The tag of an image in an OCI directory of the builder.
BASE_TAG = "latest"

#: What the builder's own commands may take: they copy files and run nothing of the task.
_OWN_LIMITS = RunLimits(time_s=900.0, memory_bytes=4 << 30, disk_bytes=64 << 30, log_bytes=1 << 20)
_TAKES_POLICY = ("from", "commit", "pull", "bud")


@dataclass(frozen=True, slots=True)
class Buildah:
    """Runs buildah in `place`. Its output goes to `take_output`."""

    place: BuildPlace
    take_output: Callable[[bytes], None]

    def run(
        self,
        words: Sequence[str],
        *,
        limits: RunLimits = _OWN_LIMITS,
        readable: Mapping[str, str] | None = None,
        has_network: bool = False,
        hosts: tuple[str, ...] = (),
    ) -> RunEnd:
        """Run `buildah words`, and return how it ended. It reaches `hosts`, or with `has_network` everything."""
        tree = self.place.runner.tree
        policy = ["--signature-policy", f"{CONF}/policy.json"] if words[0] in _TAKES_POLICY else []
        return self.place.runner.run(
            self.place.directory,
            [f"{tree}/usr/bin/buildah", words[0], *policy, *words[1:]],
            limits=limits,
            take_output=self.take_output,
            readable=readable,
            has_network=has_network,
            hosts=hosts,
        )
