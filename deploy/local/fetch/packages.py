"""(data) The Debian packages that make up the services, and the dependencies that they leave out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class PackageSet:
    """Packages to unpack into one tree, and dependencies to leave out. Apt treats a left-out package as installed.

    Its version counts as the newest one, unless `=` and a version follow the package's name.
    """

    name: str
    wanted: tuple[str, ...]
    left_out: tuple[str, ...]


# Servers run without maintainer scripts, service managers and languages that only scripts use.
# Without these the trees have half the size. The list may have names from several releases.
_LEFT_OUT = (
    *("perl", "perl-base", "perl-modules-5.40", "perl-modules-5.42", "libperl5.40", "libperl5.42"),
    *("python3", "python3-minimal", "python3.13", "python3.14", "python3-requests", "python3-cryptography"),
    *("adduser", "debconf", "base-passwd", "passwd", "login.defs", "systemd", "procps", "net-tools"),
    *("libdate-manip-perl", "libjs-bootstrap", "libjs-bootstrap5", "tzdata", "media-types", "netbase"),
    *("cryptsetup", "cryptsetup-bin", "containernetworking-plugins", "ca-certificates", "openssl"),
    *("rabbitmqadmin-ng", "jq"),
)

BROKER = PackageSet(name="broker", wanted=("rabbitmq-server",), left_out=_LEFT_OUT)
POOL = PackageSet(name="pool", wanted=("condor",), left_out=_LEFT_OUT)
#: The programs that run a task's image.
CONTAINERS = PackageSet(name="containers", wanted=("apptainer", "bubblewrap"), left_out=_LEFT_OUT)

#: The root of a task's image: Python with its whole standard library, and a shell.
PYTHON_IMAGE = PackageSet(
    name="python-image",
    wanted=("python3-minimal", "libpython3-stdlib", "busybox-static"),
    left_out=(
        *("dpkg", "perl-base", "tzdata", "media-types", "netbase", "ca-certificates", "debconf"),
        *("install-info", "base-files", "mawk"),
    ),
)

#: The programs that fetch a task's code, build its image, and copy the image to the clusters.
BUILDER = PackageSet(
    name="builder",
    wanted=("buildah", "skopeo", "git", "busybox-static", "bubblewrap"),
    left_out=(
        *_LEFT_OUT,
        *("gnupg", "gpg", "gpgconf", "gpgsm", "gpg-agent", "dirmngr", "pinentry-curses", "uidmap"),
        *("golang-github-containers-common", "golang-github-containers-image", "liberror-perl"),
    ),
)

#: What the builder of images needs.
BUILDER_SETS = (BUILDER, CONTAINERS, PYTHON_IMAGE)

ALL = (BROKER, POOL, CONTAINERS, PYTHON_IMAGE)

#: The registry to which tests push images. No process of EWMS uses it.
IMAGE_REGISTRY = PackageSet(name="image-registry", wanted=("docker-registry",), left_out=_LEFT_OUT)

#: The monitoring server and promtool, with which tests try the alerts. No process of EWMS uses them.
PROMETHEUS = PackageSet(
    name="prometheus",
    wanted=("prometheus",),
    left_out=(
        *_LEFT_OUT,
        *(
            "prometheus-node-exporter",
            "node-jquery",
            "fonts-glyphicons-halflings",
            "libjs-bootstrap4",
            "libjs-eonasdan-bootstrap-datetimepicker",
        ),
        *(
            "libjs-jquery",
            "libjs-jquery-hotkeys",
            "libjs-moment",
            "libjs-moment-timezone",
            "libjs-mustache",
            "libjs-popper.js",
        ),
        *("libjs-rickshaw", "libjs-d3", "init-system-helpers"),
    ),
)

#: The browser in which tests use the web page. No process of EWMS uses it.
BROWSER = PackageSet(
    name="browser",
    wanted=("chromium", "fonts-dejavu-core"),
    left_out=(
        *_LEFT_OUT,
        *("dbus", "desktop-file-utils", "hicolor-icon-theme", "shared-mime-info", "xdg-utils", "x11-utils"),
        *("chromium-sandbox", "mesa-vulkan-drivers", "dconf-gsettings-backend", "gsettings-desktop-schemas"),
    ),
)

#: The database of the engine that `make bench ARGS=engine` measures ours beside. No process of EWMS uses it.
POSTGRESQL = PackageSet(
    name="postgresql",
    wanted=("postgresql",),
    left_out=(*_LEFT_OUT, "postgresql-common", "postgresql-client-common", "ssl-cert", "locales"),
)

#: Set name -> the set as the fallback suite needs it.
_IN_FALLBACK = {
    # The HTCondor there requires a Python below the next version, so the left-out Python needs a version.
    POOL.name: replace(POOL, left_out=(*(name for name in _LEFT_OUT if name != "python3"), "python3=3.13.99")),
    # The fallback suite has no apptainer: tasks run only as bare processes there.
    CONTAINERS.name: replace(CONTAINERS, wanted=("bubblewrap",)),
}

#: The versions of these name the cache directories.
NAMED = {
    "condor": "htcondor",
    "rabbitmq-server": "rabbitmq",
    "apptainer": "apptainer",
    "buildah": "buildah",
    "postgresql": "postgresql",
    "prometheus": "prometheus",
}

# apt matches a dependency `perl:any` only against a package that allows it.
_NEWEST = "9999:1"
_MULTI_ARCH_ALLOWED = frozenset({"perl", "python3"})


def status_file(left_out: Iterable[str]) -> str:
    """Return a dpkg status file in which the packages `left_out` are installed."""
    installed = [(name, version or _NEWEST) for name, _, version in (one.partition("=") for one in left_out)]
    return "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n"
        f"Multi-Arch: {'allowed' if name in _MULTI_ARCH_ALLOWED else 'foreign'}\n"
        f"Maintainer: EWMS\nVersion: {version}\nDescription: left out\n\n"
        for name, version in installed
    )


def fallback_set(wanted: PackageSet) -> PackageSet:
    """Return the set to take from the fallback suite instead of `wanted`. Most sets are the same there."""
    return _IN_FALLBACK.get(wanted.name, wanted)


@dataclass(frozen=True, slots=True)
class Archive:
    """One package file that apt has chosen."""

    file_name: str
    n_bytes: int

    @property
    def package(self) -> str:
        """The package's name."""
        return self.file_name.split("_", 1)[0]

    @property
    def upstream_version(self) -> str:
        """The version's digits and dots, without epoch, Debian's revision and other letters."""
        version = self.file_name.split("_")[1].replace("%3a", ":").rsplit(":", 1)[-1]
        digits = [part for part in version.split("-")[0].split("+")[0].split(".") if part.isdigit()]
        return ".".join(digits)


def parse_archives(printed_uris: str) -> list[Archive]:
    """Return the archives that `apt-get --print-uris` chose. Each is a line of `printed_uris` that begins with a
    quote.
    """
    chosen = []
    for line in printed_uris.splitlines():
        if line.startswith("'"):
            _, file_name, n_bytes, *_ = line.split()
            chosen.append(Archive(file_name, int(n_bytes)))
    return chosen


def cache_versions(chosen: Iterable[Archive]) -> Mapping[str, str]:
    """Return our name of a package -> its upstream version, for the packages in `chosen` that name cache directories.

    `NAMED` has our names.
    """
    return {NAMED[one.package]: one.upstream_version for one in chosen if one.package in NAMED}
