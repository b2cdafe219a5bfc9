"""Rules for the sources of catalogue tasks: which git addresses, refs and directories are allowed. (core)

WMS checks a source by these rules when a task is created, and the builder again before it fetches anything.
Each rule returns "" if it holds, else one sentence: what is wrong, and the remedy.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from ipaddress import ip_address
from pathlib import PurePosixPath
from urllib.parse import SplitResult, urlsplit

from schemas.rules.address_kinds import is_public

#: The protocols that a builder can speak. Others run programs or read this machine's files (`ext::`, `file://`).
GIT_PROTOCOLS = ("https", "http", "git")
#: The protocols that are open if the operator sets none.
DEFAULT_GIT_PROTOCOLS = ("https",)

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_PATH = re.compile(r"/[A-Za-z0-9._~/+@%-]+")
_SHORT_ADDRESS = re.compile(r"[A-Za-z0-9.-]+\.[A-Za-z]{2,}/\S+")
#: What `git check-ref-format` forbids, and what a shell or git itself would read as more than a name.
_NO_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|[/.]$|/\.|\.lock(/|$)")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


def check_git_url(url: str, protocols: Iterable[str] = DEFAULT_GIT_PROTOCOLS, hosts: Iterable[str] = ("*",)) -> str:
    """Return why the git address `url` is refused, or "". `hosts` are patterns, as `*.example.org`.

    A host over `git://`, and one that is an address outside of the internet, must be named by a pattern other than `*`.
    """
    allowed = tuple(protocols)
    wanted = f"use {' or '.join(f'{one}://' for one in allowed)}"
    if _UNPRINTABLE.search(url) or " " in url:
        return f"url: the address has a space or an unprintable character; {wanted}host/path"
    if _SHORT_ADDRESS.fullmatch(url):
        return f"url: the address names no protocol; write https://{url}"
    if url.startswith("-") or "::" in url.partition("//")[0]:
        return f"url: {url[:60]!r} is an option or a remote helper of git, not an address; {wanted}host/path"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return f"url: this is not an address; {wanted}host/path"
    if parts.scheme not in allowed:
        named = f"the protocol {parts.scheme!r}" if parts.scheme else "an address without a protocol"
        return f"url: {named} is not allowed; {wanted}"
    return _check_git_place(parts, port, tuple(hosts))


def _check_git_place(parts: SplitResult, port: int | None, hosts: tuple[str, ...]) -> str:
    if "@" in parts.netloc:
        return "url: the address contains a user or a password; name a credential of the builder instead"
    host = parts.netloc.removesuffix(f":{port}") if port is not None else parts.netloc
    if not _HOST.fullmatch(host):
        return "url: the address has no valid host; write a host name after the protocol"
    if parts.query or parts.fragment:
        return "url: the address ends with a query or a fragment; give the branch as ref, the directory as subdirectory"
    if not _PATH.fullmatch(parts.path) or ".." in parts.path.split("/") or "/-" in parts.path:
        return "url: the path may have letters, digits and . _ ~ / + @ % -, and no part that is .. or begins with -"
    if not any(fnmatchcase(host.lower(), pattern.lower()) for pattern in hosts):
        return f"url: the builder may not fetch from the host {host}; the operator names hosts in EWMS_BUILD_GIT_HOSTS"
    address = host.strip("[]")
    if not names_host(address, hosts) and (parts.scheme == "git" or (_is_address(address) and not is_public(address))):
        kind = "over git://" if parts.scheme == "git" else "which is no address of the internet"
        return f"url: the host {host}, {kind}, must stand in EWMS_BUILD_GIT_HOSTS; ask the operator to name it there"
    return ""


def names_host(host: str, hosts: Iterable[str]) -> bool:
    """Return whether a pattern of `hosts` names `host`, and does not only allow every host as `*` does."""
    named = [pattern.lower().strip("[]") for pattern in hosts if pattern.strip("*?.")]
    return any(fnmatchcase(host.lower(), pattern) for pattern in named)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_git_ref(ref: str) -> str:
    """Return why the branch, tag or commit `ref` is refused, or "". An empty `ref` is the default branch."""
    if ref and (_NO_REF.search(ref) or ref == "@"):
        return f"ref: {ref[:60]!r} is no name of a branch or tag; give a plain name, or a full commit in hex digits"
    return ""


def check_subdirectory(path: str) -> str:
    """Return why `path` cannot name a directory inside of a repository, or ""."""
    if _UNPRINTABLE.search(path) or "\\" in path:
        return "subdirectory: the path has an unprintable character or a backslash; give a plain relative path"
    parts = PurePosixPath(path).parts
    if path.startswith(("/", "-")) or ".." in parts or ".git" in (part.lower() for part in parts):
        return "subdirectory: the path must stay inside the repository; give a relative path without .. and .git"
    return ""


def check_directory(path: str, roots: Iterable[str]) -> str:
    """Return why the builder may not read the directory `path`, or "". This looks at the text, not at the disk."""
    allowed = tuple(roots)
    if not allowed:
        return "path: no directory of the server is allowed; the operator names roots in EWMS_TASK_ROOTS, or use git"
    if _UNPRINTABLE.search(path) or not path.startswith("/") or ".." in PurePosixPath(path).parts:
        return "path: this is no absolute path without .. and unprintable characters; give the directory's full path"
    if not any(PurePosixPath(path).is_relative_to(root) for root in allowed):
        return f"path: {path} lies outside of the allowed roots {', '.join(allowed)}; move the task there, or use git"
    return ""
