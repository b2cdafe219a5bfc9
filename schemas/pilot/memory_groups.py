"""Find the control groups that may limit the memory of a process. TMS makes such groups; pilots read their counts."""

from collections.abc import Iterator


def list_memory_groups(groups: str, root: str) -> Iterator[tuple[int, str]]:
    """Yield the version (1 or 2) and the directory of each control group that may limit the memory of a process.

    `groups` is the text of /proc/PID/cgroup, with lines like `0::/path` or `4:memory:/path`. `root` is the directory in
    which the kernel shows the groups.
    """
    for line in groups.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        # In a container the path may be the machine's. Only its root is visible then.
        for place in dict.fromkeys((path.rstrip("/"), "")):
            if not controllers:
                yield 2, f"{root}{place}"
            elif "memory" in controllers.split(","):
                yield 1, f"{root}/memory{place}"
