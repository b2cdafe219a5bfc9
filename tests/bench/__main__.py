"""`make bench`: every benchmark, or those named: `make bench ARGS='pilot control'`.

Each prints its own table of ratios; the machine and its load are printed first, because only ratios travel.
"""

import os
import platform
import sys
from importlib import import_module

BENCHES = (
    "pilot",
    "pilot_core",
    "taskmodes",
    "eventpath",
    "client",
    "endtoend",
    "results",
    "control",
    "broker",
    "joblog",
    "snapshots",
    "submit",
    "engine",
    "trees",
    "jobs",
    "simulate",
    "page",
)


def main(names: list[str]) -> int:
    """Run the benchmarks `names`, all if empty; return the exit status."""
    if unknown := [name for name in names if name not in BENCHES]:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores, load {load}")
    for name in names or BENCHES:
        import_module(f"tests.bench.{name}").main([])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
