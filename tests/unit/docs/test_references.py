"""Every reference in code, tests and documents resolves: contract 8.3, ruling 5, G6, decision 0007, paths, links.

Nothing here knows a module's place. It reads every text of the repository, finds what looks like a reference, and asks
whether the thing is there. A form that nobody can resolve, such as the number of a section of a document that is
elsewhere, fails too.
"""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT / "docs/reference"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

_NUMBER = r"\d+(?:\.\d+)?"
_LIST = rf"{_NUMBER}(?:(?:, and |, | and | to ){_NUMBER})*"
#: `contract 8.3`, `Contract 5.1 and 6`, `contract, section 4`, `the contract's variables (8.2)`.
CONTRACT = (
    re.compile(rf"[Cc]ontract,? (?:sections? )?({_LIST})(?![\w%])"),
    re.compile(rf"[Cc]ontract's [^.()\n]*\((?:sections? )?({_NUMBER})\)"),
)
RULING = re.compile(r"[Rr]ulings? (\d+(?:(?:, | and )\d+)*)")
GUARANTEE = re.compile(r"\bG(\d{1,2})\b")
FIGURE = re.compile(r"\b[Ff]igures? F(\d+)\b")
DECISION = re.compile(r"[Dd]ecisions? (\d{4})\b")
#: A module, anything below docs and tests, or a document's name.
PATH = re.compile(
    rf"(?<![\w/.<-])(?:(?:{'|'.join(PACKAGES)})/[\w./-]*\.py|(?:tests|docs)/[\w./-]*\w|\b[\w-]+\.md)(#[\w-]+)?"
)
LINK = re.compile(r"\]\(([^)\s]+)\)")

#: What somebody meant as a reference and nobody can follow.
UNKNOWN = (
    re.compile(r"\b[Ss]eed \d{3}\b"),
    re.compile(r"\b[Ff]inding \d+\b"),
    re.compile(r"\b[Rr]eliability,? (?:section )?\d"),
    re.compile(r"\b[Gg]uarantees? \d"),
    re.compile(r"\b[Rr]uling [A-Za-z]*\d*[A-Za-z]+\d"),
    re.compile(r"(?<!rabbitmq-server )\bissue \d+\b"),
    re.compile(r"§"),
)
#: A section's number follows the name of its document on the same line.
SECTION = re.compile(r"\bsections? \d+")
SECTIONED = re.compile(r"[Cc]ontract|RFC \d{4}|documentation")

#: Documents of other people, and files that the product itself writes.
NOT_OURS = re.compile(r"^(README|LICENSE|NOTICE)\.md$")


def texts() -> Iterator[tuple[Path, str]]:
    """Give every text of the repository that people write; not what tools made of it."""
    for directory in [*PACKAGES, "tests", "docs"]:
        for suffix in ("*.py", "*.md"):
            for path in sorted((ROOT / directory).rglob(suffix)):
                if path != Path(__file__) and "__pycache__" not in path.parts:
                    yield path, path.read_text()
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "pyproject.toml"):
        yield ROOT / name, (ROOT / name).read_text()


@cache
def anchors(document: Path) -> frozenset[str]:
    """Return the anchors that GitHub makes of the headings of `document`."""
    found: list[str] = []
    in_code = False
    for line in document.read_text().splitlines():
        if line.startswith("```"):
            in_code = not in_code
        if not in_code and (heading := re.match(r"#{1,6} (.+)", line)):
            words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
            slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return frozenset(found)


@cache
def numbers(name: str, pattern: str) -> frozenset[str]:
    """Return the numbers that stand in the page `name` of the reference where `pattern` has them."""
    return frozenset(re.findall(pattern, (REFERENCE / name).read_text(), re.MULTILINE))


def dangling(path: Path, text: str) -> Iterator[str]:
    """Give each reference in `text`, the text of `path`, that leads nowhere."""
    for pattern in CONTRACT:
        for match in pattern.finditer(text):
            missing = set(re.findall(_NUMBER, match[1])) - numbers("contract.md", rf"^#+ ({_NUMBER}) ")
            yield from (f"contract {number}" for number in missing)
    for match in RULING.finditer(text):
        missing = set(re.findall(r"\d+", match[1])) - numbers("rulings.md", r"^#+ (\d+) ")
        yield from (f"ruling {number}" for number in missing)
    for match in GUARANTEE.finditer(text):
        if match[1] not in numbers("guarantees.md", r"^#+ G(\d+) "):
            yield match[0]
    for match in FIGURE.finditer(text):
        if match[1] not in numbers("goals.md", r"^\| F(\d+) "):
            yield match[0]
    for match in DECISION.finditer(text):
        if not list((ROOT / "docs/decisions").glob(f"{match[1]}-*.md")):
            yield match[0]
    yield from (match[0] for pattern in UNKNOWN for match in pattern.finditer(text))
    for match in SECTION.finditer(text):
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if not SECTIONED.search(before):
            yield match[0]


def lost_paths(path: Path, text: str) -> Iterator[str]:
    """Give each path, document and link in `text`, the text of `path`, that is not there."""
    for match in PATH.finditer(text):
        name, _, anchor = match[0].partition("#")
        if "/" not in name and NOT_OURS.match(name):
            continue
        places = [ROOT / name, path.parent / name, ROOT / "docs" / name]
        place = next((place for place in places if place.exists()), None)
        if place is None or (anchor and place.suffix == ".md" and anchor not in anchors(place)):
            yield match[0]
    if path.suffix == ".md":
        for target in LINK.findall(text):
            if "://" in target:
                continue
            name, _, anchor = target.partition("#")
            place = (path.parent / name) if name else path
            if not place.exists() or (anchor and anchor not in anchors(place)):
                yield f"link to {target}"


def test_every_reference_resolves() -> None:
    found = [f"{path.relative_to(ROOT)}: {what}" for path, text in texts() for what in dangling(path, text)]

    assert not found, "\n".join(found)


def test_every_path_and_link_leads_somewhere() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {what}"
        for path, text in texts()
        if path.name != "CHANGELOG.md"  # tells of what was
        for what in lost_paths(path, text)
    ]

    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "contract 8.9",
        "Contract 5, 6.7 and 8.1",
        "Source: contract, section 12.",
        "the contract's variables (8.9)",
        "ruling 99",
        "rulings 5 and 77",
        "G0",
        "guarantee G77",
        "decision 9999",
        "figure F99",
        "seed 002",
        "reliability, section 4.2",
        "see section 4",
        "issue 8",
    ],
)
def test_a_reference_to_nothing_is_found(text: str) -> None:
    assert list(dangling(ROOT / "x.py", text))


@pytest.mark.parametrize(
    "text",
    [
        "contract 8.3",
        "(contract, 1.2)",
        "Source: contract, sections 1.1 to 1.5.",
        "Contract 1.5, 3.4, 3.5, 5.1: queues",
        "the contract's variables (8.2) keep",
        "rulings 2 and 9, G5",
        "decision 0007",
        "figure F9",
        "RFC 6749 section 6",
        "a contract of 12 pages",
    ],
)
def test_a_reference_that_resolves_is_none_to_complain_of(text: str) -> None:
    assert not list(dangling(ROOT / "x.py", text))


@pytest.mark.parametrize(
    "text",
    ["docs/none.md", "reliability.md", "docs/limits.md#none", "tests/unit/none.py", "[x](none.md)", "[x](#none)"],
)
def test_a_path_to_nothing_is_found(text: str) -> None:
    assert list(lost_paths(ROOT / "docs/limits.md", text))


def test_an_anchor_is_made_as_github_makes_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# What `make up` keeps, and where\n## A, b: c\n## A, b: c\n```\n# no heading\n```\n")

    assert anchors(page) == {"what-make-up-keeps-and-where", "a-b-c", "a-b-c-1"}
