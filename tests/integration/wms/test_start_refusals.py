"""WMS does not start with choices that cannot be. It says so in one line, and reaches for no other service."""

from pathlib import Path

import pytest

from tests.commands import start_server


def _names(directory: Path) -> dict[str, str]:
    (directory / "broken.json").write_text('{"openapi"')
    (directory / "list.json").write_text("[]")
    return {
        "nothing": str(directory / "none.json"),
        "broken": str(directory / "broken.json"),
        "list": str(directory / "list.json"),
    }


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"EWMS_AUTH": "off", "EWMS_GATEWAY_HOST": "0.0.0.0"}, "EWMS_GATEWAY_HOST must be a loopback address"),
        ({"EWMS_AUTH": "off", "EWMS_OPENAPI_FILE": "nothing"}, "EWMS_OPENAPI_FILE: {} cannot be read: No such file"),
        ({"EWMS_AUTH": "off", "EWMS_OPENAPI_FILE": "broken"}, "EWMS_OPENAPI_FILE: {}: Invalid JSON"),
        ({"EWMS_AUTH": "off", "EWMS_OPENAPI_FILE": "list"}, "EWMS_OPENAPI_FILE: {}: Input should be"),
        ({}, "EWMS_AUTH_ISSUER is needed"),
    ],
)
def test_a_choice_that_cannot_be_is_one_clear_error_at_the_start(
    variables: dict[str, str], complaint: str, tmp_path: Path
) -> None:
    files = _names(tmp_path)
    # Nothing listens there: it must not come to that.
    needed = {"EWMS_MONGO_URL": "mongodb://127.0.0.1:1/", "EWMS_CONTROL_AMQP_URL": "amqp://wms:x@127.0.0.1:1/v"}
    told = {name: files.get(value, value) for name, value in variables.items()}
    started = start_server("wms.app").run(
        "wms", environment={"PATH": "/usr/bin:/bin", **needed, "EWMS_GATEWAY_PORT": "0", **told}
    )
    assert started.returncode == 2
    (line,) = started.stderr.strip().splitlines()
    assert complaint.format(told.get("EWMS_OPENAPI_FILE")) in line
