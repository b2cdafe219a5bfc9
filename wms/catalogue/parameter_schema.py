"""Check the JSON schema of a task's variables, and the variables that a job gives. (core)"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

import jsonschema_rs

from schemas.errors import Rejected

MAX_SCHEMA_BYTES = 65_536
_MAX_FAULTS = 5
#: Regular expressions whose time is linear in the text. Others may take for ever.
_PATTERNS = jsonschema_rs.RegexOptions(size_limit=1024 * 1024)


def dump_schema(schema: Mapping[str, Any]) -> str:
    """Return the JSON text of a schema; "" if it is empty.

    Raises:
        Rejected: it is no JSON schema (draft 2020-12), it is too large, or it names a schema elsewhere.
    """
    if not schema:
        return ""
    text = json.dumps(schema, sort_keys=True, ensure_ascii=False)
    if len(text.encode()) > MAX_SCHEMA_BYTES:
        raise Rejected(f"'parameters': the schema takes more than {MAX_SCHEMA_BYTES} bytes as JSON")
    _make_validator(text)
    return text


def check_variables(schema_text: str, variables: Mapping[str, Any]) -> None:
    """Check that `variables` fit the schema that `dump_schema` has made.

    Raises:
        Rejected: they do not. The error names the variables.
    """
    if not schema_text:
        return
    faults = []
    for fault in _make_validator(schema_text).iter_errors(dict(variables)):
        place = ".".join(map(str, fault.instance_path)) or "the variables"
        faults.append(f"{place}: {fault.message}")
        if len(faults) == _MAX_FAULTS:
            break
    if faults:
        raise Rejected(f"the variables do not fit the task: {'; '.join(faults)}", hint="ewms catalogue show TASK")


def _make_validator(text: str) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(
            json.loads(text), pattern_options=_PATTERNS, retriever=_refuse_address
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise Rejected(f"'parameters': not a JSON schema: {why}", hint="draft 2020-12 of json-schema.org") from error


def _refuse_address(address: str) -> NoReturn:
    raise ValueError(f"the schema may not name another one: {address}")
