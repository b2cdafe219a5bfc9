"""How a terminal shows the audit log."""

from ewms.cli.text.audit_log import describe_changes


def test_changes_are_told_field_by_field() -> None:
    changes = {"name": ["a", "b"], "success_nodes": "deploy", "limit": ["", "web"], "act": "resume"}
    assert describe_changes(changes) == "name: a -> b; success nodes: deploy; limit: nothing -> web; act: resume"
