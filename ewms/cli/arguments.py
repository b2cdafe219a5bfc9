"""Global options may stand anywhere on the command line; the parser wants them first. (core)"""

from collections.abc import Sequence

#: Global options, and whether each takes a value.
GLOBALS = {
    "-o": True,
    "--output": True,
    "-q": False,
    "--quiet": False,
    "--server": True,
    "--token-file": True,
    "--timeout": True,
}


def output_of(argv: Sequence[str]) -> str:
    """Return what `-o` or `--output` says in `argv`, the last one counts; "" where none does."""
    chosen = ""
    words = iter(globals_first(argv))
    for word in words:
        if word == "--":
            break
        if word in ("-o", "--output"):
            chosen = next(words, "")
        elif word.startswith("--output="):
            chosen = word.removeprefix("--output=")
        elif word.startswith("-o") and not word.startswith("--"):
            chosen = word.removeprefix("-o").removeprefix("=")
    return chosen


def globals_first(argv: Sequence[str]) -> list[str]:
    """Return `argv` with its global options in front, in their order; what follows `--` stays where it is."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
            break
        name, equals, _ = word.partition("=")
        if name not in GLOBALS:
            # Also a short option with its value attached: -ojson.
            (front if word.startswith("-o") and not word.startswith("--") else rest).append(word)
            continue
        front.append(word)
        if GLOBALS[name] and not equals:
            front += [value for value in [next(words, None)] if value is not None]
    return front + rest
