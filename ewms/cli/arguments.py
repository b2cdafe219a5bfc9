"""Move global options to the front: users may write them anywhere, but the parser wants them first. (core)"""

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


def find_output_option(argv: Sequence[str]) -> str:
    """Return the value of the last `-o` or `--output` in `argv`. Return "" if there is none."""
    chosen = ""
    words = iter(move_globals_first(argv))
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


def move_globals_first(argv: Sequence[str]) -> list[str]:
    """Return `argv` with the global options first, in their order. Words after `--` stay where they are."""
    front: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
            break
        name, equals, _ = word.partition("=")
        if name not in GLOBALS:
            # A short option may have its value attached: -ojson is a global option, too.
            (front if word.startswith("-o") and not word.startswith("--") else rest).append(word)
            continue
        front.append(word)
        if GLOBALS[name] and not equals:
            front += [value for value in [next(words, None)] if value is not None]
    return front + rest
