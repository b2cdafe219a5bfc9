"""Let this process and its children open many files, and forbid core dumps.

Shells let an ordinary user open 1024 files; mongod aborts with so few.
"""

import resource

#: mongod keeps a file open for each collection and each index, RabbitMQ one for each connection and more for queues.
_MANY = 16_384


def allow_many_files() -> None:
    """Raise the soft limit on open files to 16 384, or to the hard limit if that is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MANY if hard == resource.RLIM_INFINITY else min(_MANY, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def forbid_core_dumps() -> None:
    """Set the soft limit on core dumps to 0: a crash must not write memory with passwords to a file.

    A task may raise the limit for itself.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
