"""Read a Dockerfile as far as the builder must: which base images it needs. (core)

buildah reads the file again, without a network for images. So a reader that misses a name causes a failed build, and no
hidden download.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SCRATCH = "scratch"

_DIRECTIVE = re.compile(r"#\s*escape\s*=\s*(\S)\s*", re.IGNORECASE)
_FROM = re.compile(r"(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*", re.IGNORECASE)
_COPY_SOURCE = re.compile(r"(?:^|\s)--from=(\S+)")
_MOUNT_SOURCE = re.compile(r"(?:^|\s)--mount=(?:\S*,)?from=([^,\s]+)")
_ARGUMENT = re.compile(r"""([A-Za-z_][A-Za-z0-9_]*)(?:=("[^"]*"|'[^']*'|\S*))?""")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})")
_HEREDOC = re.compile(r"<<-?\s*[\"']?([A-Za-z_][A-Za-z0-9_]*)[\"']?")
_TAKES_HEREDOC = ("RUN", "COPY", "ADD")


class UnreadableDockerfile(ValueError):
    """The Dockerfile breaks a rule of its format. The text names the line and the rule."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its line number, its word in capitals, and the text after the word."""

    line: int
    word: str
    text: str


def find_base_images(dockerfile: str) -> tuple[str, ...]:
    """Return the names of the images that `dockerfile` builds on or copies from, each once, in order.

    `scratch` and the stages of the file itself are left out.

    Raises:
        UnreadableDockerfile: there is no FROM, or a FROM is incomplete, or it uses a variable without a value.
    """
    arguments: dict[str, str] = {}
    stages: list[str] = []
    n_stages = 0
    found: dict[str, None] = {}
    for one in read_instructions(dockerfile):
        if one.word == "ARG" and not n_stages:
            arguments |= _read_arguments(one.text, arguments)
        elif one.word == "FROM":
            image, stage = _read_from(one, arguments)
            if image.lower() not in (*stages, SCRATCH):
                found[image] = None
            n_stages += 1
            stages.append(stage.lower())
        elif not n_stages and one.word != "ARG":
            raise UnreadableDockerfile(f"line {one.line}: {one.word} stands before FROM; begin with FROM")
        else:
            for image in _list_sources(one):
                is_stage = image.lower() in stages or (image.isdecimal() and int(image) < n_stages)
                if not is_stage and image.lower() != SCRATCH:
                    found[image] = None
    if not n_stages:
        raise UnreadableDockerfile("it has no FROM; name a base image in its first instruction")
    return tuple(found)


def read_instructions(dockerfile: str) -> Iterator[Instruction]:
    """Yield the instructions: continued lines joined, comments, empty lines and here-documents left out."""
    lines = dockerfile.removeprefix("\ufeff").splitlines()
    escape = _find_escape(lines)
    pending: list[str] = []
    first = 0
    ends: list[str] = []
    for number, line in enumerate(lines, start=1):
        if ends:
            if line.strip() == ends[0]:
                ends.pop(0)
            continue
        if line.lstrip().startswith("#") or (not line.strip() and pending):
            continue
        if not pending:
            first = number
        stripped = line.rstrip()
        if stripped.endswith(escape):
            pending.append(stripped[:-1])
            continue
        text = " ".join([*pending, stripped]).strip()
        pending = []
        if text:
            word, _, rest = text.partition(" ")
            if "\t" in word:
                word, _, rest = text.partition("\t")
            if word.upper() in _TAKES_HEREDOC:
                ends = _HEREDOC.findall(rest)
            yield Instruction(first, word.upper(), rest.strip())
    if pending and (text := " ".join(pending).strip()):
        word, _, rest = text.partition(" ")
        yield Instruction(first, word.upper(), rest.strip())


def _find_escape(lines: list[str]) -> str:
    """Return the character that continues a line. A directive at the top may change it."""
    for line in lines:
        if not line.startswith("#"):
            break
        if found := _DIRECTIVE.fullmatch(line.strip()):
            return found[1]
    return "\\"


def _read_arguments(text: str, known: Mapping[str, str]) -> dict[str, str]:
    read: dict[str, str] = {}
    for name, value in _ARGUMENT.findall(text):
        if value:
            read[name] = _fill_variables(value.strip("\"'"), {**known, **read})
    return read


def _read_from(one: Instruction, arguments: Mapping[str, str]) -> tuple[str, str]:
    found = _FROM.fullmatch(one.text)
    if found is None:
        raise UnreadableDockerfile(f"line {one.line}: FROM needs an image and nothing else but AS and a name")
    image = _fill_variables(found[1], arguments)
    if not image or "$" in image:
        raise UnreadableDockerfile(
            f"line {one.line}: FROM uses a variable without a value; give it a value by an ARG before FROM"
        )
    return image, found[2] or ""


def _fill_variables(text: str, values: Mapping[str, str]) -> str:
    def find_value(match: re.Match[str]) -> str:
        return values.get(match[1] or match[2]) or match[3] or ""

    return _VARIABLE.sub(find_value, text)


def _list_sources(one: Instruction) -> list[str]:
    if one.word == "COPY":
        return _COPY_SOURCE.findall(one.text)
    return _MOUNT_SOURCE.findall(one.text) if one.word == "RUN" else []
