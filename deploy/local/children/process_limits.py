"""What this process and its children may have: many open files, and no image of their memory on disk.

Shells give an ordinary user 1024 files, at which mongod aborts.
"""

import resource

#: mongod keeps a file open for each collection and each index, RabbitMQ one for each connection and more for queues.
_MANY = 16_384


def allow_many_files() -> None:
    """Raise the soft limit on open files as far as the hard one lets, and as is of use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY if hard == resource.RLIM_INFINITY else min(_MANY, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def forbid_core_dumps() -> None:
    """Have no crash write memory, and with it passwords, to a file. A task that wants its own may raise the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
