"""Get the pages of a form: from a file, or from a person at the terminal, field by field."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ewms.cli.text.steps.form_questions import FormField, list_fields, parse_answer, write_question
from ewms.cli.text.terminal.streams import print_to_stderr
from schemas.errors import Rejected

Page = Mapping[str, Any]


def read_json(written: str, *, option: str, example: str) -> Any:
    """Return the value of `written`: a JSON object or list, the name of a file with JSON, or `-` for standard input.

    Raises:
        Rejected: the file cannot be read, or holds no JSON; the error names `option`, and shows `example`.
    """
    is_json = written.lstrip().startswith(("[", "{"))
    try:
        text = written if is_json else sys.stdin.read() if written == "-" else Path(written).read_text()
        return json.loads(text)
    except OSError as error:
        raise Rejected(f"{option} {written}: {error.strerror}", hint="name a file with JSON") from error
    except ValueError as error:
        raise Rejected(f"{option}: this is no JSON: {error}", hint=f"write {example}") from error


def read_pages(written: str) -> list[Page]:
    """Return the pages of a form from `written`: JSON, the name of a file, or `-` for standard input.

    One object is one page.

    Raises:
        Rejected: the file cannot be read, or is no list of JSON objects.
    """
    pages = read_json(written, option="--input", example='[{"field": "value"}, ...]')
    pages = [pages] if isinstance(pages, dict) else pages
    if not isinstance(pages, list) or not all(isinstance(page, dict) for page in pages):
        raise Rejected("--input: the pages are a list of JSON objects", hint='write [{"field": "value"}, ...]')
    return pages


def complete_pages(pages: Sequence[Page], find_next: Callable[[list[Page]], Mapping[str, Any] | None]) -> list[Page]:
    """Return `pages`, followed by the pages that the user fills in.

    `find_next` returns the schema of the next page, or None if the form is complete. If it refuses a page, ask for that
    page again.
    """
    filled = list(pages)
    while True:
        try:
            schema = find_next(filled)
        except Rejected as error:
            if len(filled) <= len(pages):
                raise
            print_to_stderr(f"ewms: {error.reason}")
            filled.pop()
            continue
        if schema is None:
            return filled
        filled.append(_ask_page(schema))


def describe_page(schema: Mapping[str, Any]) -> str:
    """Return the fields of a page in one line: the required fields, and the optional ones."""
    required = [field.name for field in list_fields(schema) if field.is_required]
    others = [field.name for field in list_fields(schema) if not field.is_required]
    words = [", ".join(required)] if required else []
    words += [f"{', '.join(others)} if you like"] if others else []
    return " and ".join(words) or "no field to fill in: {}"


def _ask_page(schema: Mapping[str, Any]) -> Page:
    fields = list(list_fields(schema))
    if title := schema.get("title"):
        print_to_stderr(str(title) if title != "unknown" else "")
    return {field.name: _ask_field(field) for field in fields}


def _ask_field(field: FormField) -> Any:
    *lines, prompt = write_question(field)
    for line in lines:
        print_to_stderr(line)
    while True:
        sys.stderr.write(prompt)
        sys.stderr.flush()
        if not (answer := sys.stdin.readline()):
            raise Rejected("the input ended before the form was complete", hint="give the pages with --input")
        try:
            return parse_answer(field, answer)
        except ValueError as error:
            print_to_stderr(f"  {error}")
