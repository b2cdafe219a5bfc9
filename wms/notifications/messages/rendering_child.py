"""Render messages of users, as a process of its own: `python -m wms.notifications.messages.rendering_child`.

Standard input has {"texts": {name: jinja2 template}, "context": {...}}; standard output gets {name: {"text": ...}}, or
{"fault": ...} in its place. jinja2's sandbox keeps a message from our objects. It bounds neither time nor memory, so
the operating system does that here.
"""

import json
import resource
import sys
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

_MAX_CPU_S = 2
_MAX_MEMORY = 512 * 2**20
#: The most characters of a rendered text.
MAX_TEXT = 256 * 1024


def render_texts(texts: dict[str, str], context: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return for each text's name {"text": the rendered text}, or {"fault": why it cannot be rendered}."""
    # Messages are plain text and JSON, no HTML: there is nothing to escape.
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": False}
    rendered: dict[str, dict[str, str]] = {}
    for name, text in texts.items():
        try:
            made = environment.from_string(text).render(context)
        except RecursionError:
            rendered[name] = {"fault": "it is nested too deeply"}
        except MemoryError:
            rendered[name] = {"fault": "it takes too much memory"}
        except Exception as error:  # noqa: BLE001 - a message can raise anything
            rendered[name] = {"fault": f"{type(error).__name__}: {error}"[:500]}
        else:
            is_fine = len(made) <= MAX_TEXT
            rendered[name] = {"text": made} if is_fine else {"fault": f"it becomes longer than {MAX_TEXT} characters"}
    return rendered


def main() -> None:
    """Render what stands in the standard input."""
    given = json.loads(sys.stdin.buffer.read())
    resource.setrlimit(resource.RLIMIT_CPU, (_MAX_CPU_S, _MAX_CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    json.dump(render_texts(given["texts"], given["context"]), sys.stdout)


if __name__ == "__main__":
    main()
