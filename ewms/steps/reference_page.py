"""`python -m ewms.steps.reference_page` prints docs/reference/steps.md, made from the docstrings of the authoring
names.

With `--write` it writes the page to the file.
"""

import argparse
import ast
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from types import FunctionType
from typing import Any

from ewms import steps

PATH = Path(__file__).parents[2] / "docs/reference/steps.md"

#: All authoring names by subject, in the order of the page.
SECTIONS: Mapping[str, str] = {
    "Step lists": "begin step retrystep inputstep callback_step await_event polling_step Pending run_workflow "
    "conditional focussteps step_group init done Step StepList",
    "Workflows": "create_workflow modify_workflow terminate_workflow validate_workflow reconcile_workflow task "
    "workflow register_workflow register_product LazyWorkflowInstance wrap_create_initial_input_form "
    "wrap_modify_initial_input_form WF_USABLE_MAP WF_BLOCKED_BY_IN_USE_BY_SUBSCRIPTIONS WF_USABLE_WHILE_OUT_OF_SYNC",
    "Steps on a subscription": "store_process_subscription set_status resync unsync unsync_unchecked "
    "ensure_provisioning_status",
    "Within a step": "start_process state_event ProcessFailureError InconsistentDataError ProcessAborted",
    "Models": "SubscriptionModel ProductBlockModel SubscriptionInstanceList SI serializable_property "
    "SUBSCRIPTION_MODEL_REGISTRY change_lifecycle find_subscriptions values_in_use get_product_by_name "
    "get_product_by_id",
    "Closed sets": "Assignee SubscriptionLifecycle Target",
}
#: The methods of classes that authors call.
_METHODS: Mapping[str, str] = {
    "SubscriptionModel": "from_product_id from_subscription from_other_lifecycle save depends_on in_use_by",
    "ProductBlockModel": "new from_db save in_use_by",
}
_HEAD = """# The authoring names

Everything here comes from `ewms.steps`. `python -m ewms.steps.reference_page --write` makes this page from the
docstrings, and a test compares them. [Step lists](../steps.md) is the guide.
"""


def list_form_names() -> list[str]:
    """Return the authoring names that come unchanged from the forms library, sorted."""
    listed = {name for names in SECTIONS.values() for name in names.split()}
    return sorted(set(steps.__all__) - listed)


def render_page() -> str:
    """Return the text of the page."""
    parts = [_HEAD]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [_render_name(name) for name in names.split()]
    forms = ", ".join(f"`{name}`" for name in list_form_names())
    library = "These come unchanged from the library pydantic-forms"
    return "\n".join([*parts, f"## Forms\n\n{library}: {forms}.\n"])


def _render_name(name: str) -> str:
    thing = getattr(steps, name)
    if isinstance(thing, steps.Step) and thing.function is not None:
        return f"### {name}\n\n{_render_text(inspect.getdoc(thing.function) or '')}"
    if isinstance(thing, type) and issubclass(thing, str):
        values = ", ".join(f"`{one.name}`" for one in thing)  # type: ignore[attr-defined]  # a StrEnum
        return f"### {name}\n\n{_render_text(inspect.getdoc(thing) or '')}\nValues: {values}.\n"
    if not isinstance(thing, FunctionType | type) or not thing.__module__.startswith("ewms."):
        return f"### {name}\n\n{_render_text(_read_comment(name))}"
    head = "" if isinstance(thing, type) else f"```python\n{name}{_describe_signature(thing)}\n```\n\n"
    text = f"### {name}\n\n{head}{_render_text(inspect.getdoc(thing) or '')}"
    return "\n".join([text, *(_render_method(thing, method) for method in _METHODS.get(name, "").split())])


def _render_method(kind: Any, method: str) -> str:
    found = inspect.getattr_static(kind, method)
    is_property = isinstance(found, property)
    plain = found.fget if is_property else getattr(kind, method)
    signature = "" if is_property else _describe_signature(plain)
    return f"```python\n{kind.__name__}.{method}{signature}\n```\n\n{_render_text(inspect.getdoc(plain) or '')}"


def _describe_signature(thing: Any) -> str:
    """Return the names and defaults of the parameters. The annotations are left out, because the code has them."""
    shown = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(thing).parameters.values()
        if parameter.name != "self" and not parameter.name.startswith("_")
    ]
    text = str(inspect.Signature(shown))
    # `<SubscriptionLifecycle.ACTIVE: 'active'>` and the like: the name alone is what an author writes.
    text = re.sub(r"<(\w+\.\w+): '\w+'>", r"\1", text)
    return re.sub(r"datetime\.timedelta\(seconds=(\d+)\)", r"timedelta(seconds=\1)", text)


def _render_text(text: str) -> str:
    """Return a docstring as Markdown: its examples become blocks of code."""
    out: list[str] = []
    for paragraph, is_code in _join_code(re.split(r"\n\s*\n", text.strip("\n"))):
        if is_code:
            out.append(f"```python\n{paragraph}\n```")
        elif paragraph.startswith("Raises:"):
            out.append("Raises:\n\n" + re.sub(r"(?m)^(\w+): ", r"* `\1`: ", dedent(paragraph.partition("\n")[2])))
        else:
            out.append(paragraph)
    return "\n\n".join(out) + "\n"


def _join_code(paragraphs: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield the paragraphs, each with whether it is code. The paragraphs of one example are joined."""
    code: list[str] = []
    for paragraph in paragraphs:
        if paragraph.startswith((" ", ">>> ")) or _is_python(paragraph):
            code.append(paragraph)
            continue
        if code:
            yield dedent("\n\n".join(code)), True
            code = []
        yield paragraph, False
    if code:
        yield dedent("\n\n".join(code)), True


def _is_python(paragraph: str) -> bool:
    try:
        return bool(ast.parse(dedent(paragraph)).body)
    except SyntaxError:
        return False


def _read_comment(name: str) -> str:
    """Return the `#:` comment above the assignment to `name`, where `ewms.steps` takes it from."""
    found = re.search(rf"((?:^#:.*\n)+){name}\b[^\n]*=", _read_source(name), re.MULTILINE)
    if found is None:
        raise LookupError(f"{name} has no comment that begins with `#:`")
    return re.sub(r"(?m)^#: ?", "", found[1])


@cache
def _list_modules() -> dict[str, str]:
    tree = ast.parse(inspect.getsource(steps))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


def _read_source(name: str) -> str:
    return inspect.getsource(import_module(_list_modules()[name]))


def print_or_write(arguments: list[str]) -> None:
    """Print the page. With `--write`, write it to the file instead."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {PATH.name}")
    page = render_page()
    if parser.parse_args(arguments).write:
        PATH.write_text(page)
    else:
        sys.stdout.write(page)


if __name__ == "__main__":
    print_or_write(sys.argv[1:])
