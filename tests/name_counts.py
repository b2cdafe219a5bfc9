"""Count the words in the names of functions, by package: `make check` prints it, and no rule fails by it.

    python -m tests.name_counts

A name of one word seldom says what a function does. The goal is less than 35 % of them, and two words a name.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("schemas", "runtime", "wms", "mqs", "tms", "pilot", "ewms", "processes", "deploy")


def find_names(source: str) -> Iterator[str]:
    """Yield the name of each function and method in `source`, except those that Python gives a meaning."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__"):
            yield node.name


def count_words(name: str) -> int:
    """Return how many words `name` has."""
    return len([word for word in name.split("_") if word])


def main(root: Path = Path()) -> None:
    """Print a line for each package, and one for all."""
    counts = {
        package: [count_words(name) for path in (root / package).rglob("*.py") for name in find_names(path.read_text())]
        for package in PACKAGES
    }
    counts["all"] = [n for words in counts.values() for n in words]
    for package, words in counts.items():
        n_one = words.count(1)
        sys.stdout.write(
            f"{package:8} {len(words):5} functions, {n_one / len(words):4.0%} with a name of one word, "
            f"{sum(words) / len(words):.2f} words a name\n"
        )


if __name__ == "__main__":
    main()
