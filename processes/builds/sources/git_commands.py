"""The command lines of git for somebody else's repository. (core)

git gets no configuration of the machine, runs no hook and no program of the repository, asks no person for a password,
follows no redirection to another host, and speaks only the protocols that the operator opened.
"""

from collections.abc import Collection, Sequence

REPOSITORY = "/work/repository"
#: The file with a credential, in the form of `git credential-store`.
CREDENTIAL = "/credential"

#: If the server does not give out a commit by its id, the builder looks for it in so much of the branch's history.
HISTORY_DEPTH = 200

_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=/bin/false",
    "core.symlinks=true",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "credential.helper=",
    "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "transfer.fsckObjects=true",
    "transfer.bundleURI=false",
    "fetch.uriProtocols=",
    "protocol.version=2",
    "protocol.allow=never",
)


def build_git_environment(tree: str, protocols: Collection[str]) -> dict[str, str]:
    """Return the environment of git. `tree` holds git's programs."""
    return {
        "GIT_EXEC_PATH": f"{tree}/usr/lib/git-core",
        "GIT_TEMPLATE_DIR": "",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(sorted(protocols)),
        "GIT_SSL_CAINFO": "/etc/ssl/certs/ca-certificates.crt",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }


def build_git_argv(
    tree: str, words: Sequence[str], *, protocols: Collection[str], has_credential: bool, pin: str = ""
) -> list[str]:
    """Return the command line `git ... words` in the repository. `pin` says which addresses a host has."""
    settings = [
        *_SETTINGS,
        *(f"protocol.{name}.allow=always" for name in sorted(protocols)),
        *([f"http.curloptResolve={pin}"] if pin else []),
        *([f"credential.helper=store --file={CREDENTIAL}"] if has_credential else []),
    ]
    options = [word for setting in settings for word in ("-c", setting)]
    return [f"{tree}/usr/bin/git", *options, "--git-dir", f"{REPOSITORY}/.git", "--work-tree", REPOSITORY, *words]


def fetch_words(url: str, ref: str, *, depth: int) -> list[str]:
    """Return git's words that fetch `ref` of `url` (empty: the default branch). `--` ends the options."""
    return [
        *("fetch", f"--depth={depth}", "--no-tags", "--no-recurse-submodules", "--no-write-commit-graph", "--force"),
        *("--", url, ref or "HEAD"),
    ]


def find_submodules(listing: bytes) -> list[str]:
    """Return the paths of submodules in what `git ls-tree -r -z` printed."""
    entries = (one.partition(b"\t") for one in listing.split(b"\0") if one)
    return [path.decode(errors="replace") for facts, _, path in entries if facts.startswith(b"160000 ")]
