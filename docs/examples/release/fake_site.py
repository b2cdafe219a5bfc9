"""A package store and a web site, as a directory. They outlive their users.

    packages/<name>.json    a package that was built
    uploaded                the package that lies on the site's machines
    served                  the package that the site serves
    broken                  as long as this file exists, the site does not answer

`FAKE_SITE` names the directory.
"""

import hashlib
import json
import os
from pathlib import Path


class SiteDown(ConnectionError):
    """The site does not answer."""


def _directory(name: str = "") -> Path:
    path = Path(os.environ.get("FAKE_SITE", "site")) / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def build_package(version: str) -> dict[str, str]:
    """Build the package of a version, and return its name and its checksum. A second build makes the same package."""
    name = f"app-{version}"
    built = {"package": name, "checksum": hashlib.sha256(name.encode()).hexdigest()[:12]}
    (_directory("packages") / f"{name}.json").write_text(json.dumps(built))
    return built


def upload_package(package: str) -> None:
    """Bring a package to the site's machines.

    Raises:
        LookupError: there is no such package.
    """
    if not (_directory("packages") / f"{package}.json").exists():
        raise LookupError(f"the store has no package {package!r}")
    (_directory() / "uploaded").write_text(package)


def find_served() -> str:
    """Return the package that the site serves; an empty text before the first deployment."""
    path = _directory() / "served"
    return path.read_text() if path.exists() else ""


def serve_package(package: str) -> None:
    """Let the site serve a package. An empty text ends the service."""
    (_directory() / "served").write_text(package)


def check_site(package: str) -> None:
    """Check that the site answers, and serves this package.

    Raises:
        SiteDown: it does not answer.
    """
    if (_directory() / "broken").exists():
        raise SiteDown(f"the site does not answer since it serves {package}")
    if find_served() != package:
        raise SiteDown(f"the site serves {find_served()!r}, and should serve {package!r}")
