"""Convert an OCI image into the directory that apptainer runs."""

from collections.abc import Callable

from processes.builds.build_errors import BuildFailed
from processes.builds.build_place import BuildPlace
from processes.builds.images.image_tree import check_tree
from processes.builds.programs import Programs
from processes.builds.sandbox.limits import RunLimits
from processes.builds.sandbox.plan import HOME, WORK
from schemas.automation.builds import BuildLimits

#: apptainer unpacks the image here, and renames it then. So this lies in the same mount as the result.
_UNPACKED = "unpacked"
_TAIL = 300


def convert_image(
    place: BuildPlace, programs: Programs, limits: BuildLimits, take_output: Callable[[bytes], None]
) -> None:
    """Convert `place.oci_image` into `place.root`. Every account of a cluster may read the result.

    Raises:
        BuildFailed: apptainer failed, a limit was exceeded, or the image has a pipe, a socket or a device.
    """
    place.prepare(without=["root", _UNPACKED])
    tail = bytearray()

    def take(chunk: bytes) -> None:
        tail.extend(chunk)
        del tail[:-_TAIL]
        take_output(chunk)

    tree = programs.containers
    apptainer = f"{tree}/usr/bin/apptainer --silent build --fix-perms --sandbox /work/root oci:/work/image"
    end = place.runner.run(
        place.directory,
        # A pilot runs under an account of its own.
        ["/bin/sh", "-c", f"mkdir {WORK}/{_UNPACKED} && {apptainer} && chmod -R a+rX /work/root"],
        limits=RunLimits(
            time_s=limits.build_s,
            memory_bytes=limits.build_memory_bytes,
            # The OCI image is compressed, and apptainer unpacks it twice.
            disk_bytes=8 * limits.image_bytes,
            log_bytes=limits.log_bytes,
        ),
        take_output=take,
        readable={str(tree): str(tree)},
        environment={"APPTAINER_TMPDIR": f"{WORK}/{_UNPACKED}", "APPTAINER_CACHEDIR": HOME, "USER": "root"},
    )
    if not end.is_success:
        reason = end.excess or tail.decode(errors="replace").strip() or f"it ended with status {end.status}"
        raise BuildFailed(f"apptainer cannot convert the image: {reason}; check that the Dockerfile leaves a usable /")
    try:
        check_tree(place.root, max_bytes=limits.image_bytes)
    except OSError as error:
        raise BuildFailed(f"the image cannot be read: {error.strerror or error}; rebuild the task") from error
