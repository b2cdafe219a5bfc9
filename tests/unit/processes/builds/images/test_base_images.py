"""On which images a task may build."""

import pytest

from processes.builds.images.base_images import (
    BaseImage,
    BaseImageRefused,
    BasePolicy,
    DirectoryBase,
    OwnBase,
    RegistryBase,
)

POLICY = BasePolicy(
    own=("ewms/python",), roots=("/images",), prefixes=("docker.io/library", "registry.example.org:5000/base")
)
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("image", "base"),
    [
        ("ewms/python", OwnBase("ewms/python")),
        ("ewms/python:latest", OwnBase("ewms/python")),
        ("localhost/ewms/python", OwnBase("ewms/python")),
        ("oci:/images/x", DirectoryBase("/images/x", "")),
        ("oci:/images/x:one", DirectoryBase("/images/x", "one")),
        ("alpine", RegistryBase("docker.io/library/alpine:latest")),
        ("alpine:3.20", RegistryBase("docker.io/library/alpine:3.20")),
        (f"alpine@{DIGEST}", RegistryBase(f"docker.io/library/alpine@{DIGEST}")),
        (f"alpine:3@{DIGEST}", RegistryBase(f"docker.io/library/alpine@{DIGEST}")),
        ("registry.example.org:5000/base/x", RegistryBase("registry.example.org:5000/base/x:latest")),
    ],
)
def test_an_allowed_image_has_one_source(image: str, base: BaseImage) -> None:
    assert POLICY.find_base(image) == base


@pytest.mark.parametrize(
    "image",
    [
        "somebody/alpine",
        "docker.io/libraryx/alpine",
        "registry.example.org:5000/basex/x",
        "registry.example.org/base/x",
        "evil.example.org/docker.io/library/alpine",
        "oci:/etc",
        "oci:/images/../etc",
        "oci:images/x",
        "dir:/etc",
        "docker-archive:/etc/passwd",
        "containers-storage:x",
        "docker://alpine",
        "Alpine",
        "alpine alpine",
        "",
        "$X",
    ],
)
def test_any_other_image_is_refused_with_the_choice(image: str) -> None:
    with pytest.raises(BaseImageRefused, match=r"FROM .*(build on one of: docker.io|without \.\.)"):
        POLICY.find_base(image)
