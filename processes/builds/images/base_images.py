"""Decide where a base image comes from, and whether a task may build on it. (core)

ewms/python        a base image of the builder itself
oci:/images/x      an image in an OCI directory below one of the operator's roots
alpine:3.20        an image of a registry, if its full name begins with one of the operator's prefixes
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath

#: The registry and the namespace of a name that states none, as Docker reads it.
_DEFAULT_REGISTRY = "docker.io"
_DEFAULT_NAMESPACE = "library"

#: Words that buildah reads as a place of this machine, if a colon follows.
_TRANSPORTS = frozenset(
    {"containers-storage", "dir", "docker-archive", "docker-daemon", "oci", "oci-archive", "ostree", "sif", "tarball"}
)

_NAME = re.compile(
    r"(?P<path>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?::[0-9]+(?=/))?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class BaseImageRefused(ValueError):
    """A task may not build on this image. The text names the image, the rule and the remedy."""


@dataclass(frozen=True, slots=True)
class OwnBase:
    """A base image that the builder makes of a directory of its machine."""

    name: str


@dataclass(frozen=True, slots=True)
class DirectoryBase:
    """An image in an OCI directory of the machine. `tag` may be empty."""

    path: str
    tag: str


@dataclass(frozen=True, slots=True)
class RegistryBase:
    """An image of a registry, by its full name."""

    reference: str


BaseImage = OwnBase | DirectoryBase | RegistryBase


@dataclass(frozen=True, slots=True)
class BasePolicy:
    """The images on which tasks may build: the builder's own, OCI directories below roots, prefixes at registries."""

    own: Collection[str] = ()
    roots: Collection[str] = ()
    prefixes: Collection[str] = ()

    def find_base(self, image: str) -> BaseImage:
        """Return where the image comes from that a Dockerfile calls `image`.

        Raises:
            BaseImageRefused: tasks may not build on it.
        """
        if image.removesuffix(":latest").removeprefix("localhost/") in self.own:
            return OwnBase(image.removesuffix(":latest").removeprefix("localhost/"))
        if image.startswith("oci:"):
            return self._find_directory(image)
        return self._find_at_registry(image)

    def _find_directory(self, image: str) -> DirectoryBase:
        path, _, tag = image.removeprefix("oci:").partition(":")
        place = PurePosixPath(path)
        if not place.is_absolute() or ".." in place.parts:
            raise BaseImageRefused(f"FROM {image}: give the full path of the OCI directory, without ..")
        if not any(place.is_relative_to(root) for root in self.roots):
            raise BaseImageRefused(
                f"FROM {image}: the directory lies outside of the operator's base images (EWMS_BUILD_BASE_ROOTS); "
                f"{self._describe_choice()}"
            )
        return DirectoryBase(path, tag)

    def _find_at_registry(self, image: str) -> RegistryBase:
        found = _NAME.fullmatch(image)
        if found is None or found["path"] in _TRANSPORTS:
            raise BaseImageRefused(f"FROM {image[:100]}: this is no name of an image; {self._describe_choice()}")
        reference = _complete_name(found["path"])
        if not any(_is_below(reference, prefix) for prefix in self.prefixes):
            raise BaseImageRefused(
                f"FROM {image}: tasks may not build on {reference}, which is outside of EWMS_BUILD_REGISTRIES; "
                f"{self._describe_choice()}"
            )
        if found["digest"]:
            return RegistryBase(f"{reference}@{found['digest']}")
        return RegistryBase(f"{reference}:{found['tag'] or 'latest'}")

    def _describe_choice(self) -> str:
        choice = ", ".join(sorted((*self.own, *(f"{one.rstrip('/')}/..." for one in self.prefixes), "scratch")))
        return f"build on one of: {choice}"


def _complete_name(path: str) -> str:
    first, _, rest = path.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        return path
    return f"{_DEFAULT_REGISTRY}/{path}" if rest else f"{_DEFAULT_REGISTRY}/{_DEFAULT_NAMESPACE}/{path}"


def _is_below(reference: str, prefix: str) -> bool:
    return reference == prefix or reference.startswith(f"{prefix.rstrip('/')}/")
