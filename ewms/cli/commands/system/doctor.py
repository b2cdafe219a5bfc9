"""`ewms doctor`: check the way to a working server, and print one line for each part."""

import typer

from ewms.cli.context import GlobalOptions


def show_checkup(context: typer.Context) -> None:
    """Check each step to working tasks: gateway, versions, token, broker, clusters. Status 1 if one is not well."""
    from dataclasses import asdict

    from ewms.cli.text.terminal.plain import escape_controls

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        findings = ews.checkup()
    names = [finding.what for finding in findings if not finding.is_well]
    if not given.write_result({"findings": [asdict(finding) for finding in findings]}, names):
        for finding in findings:
            mark = "not tried" if not finding.is_tried else "ok" if finding.is_well else "not ok"
            typer.echo(escape_controls(f"{mark:<9}  {finding.what}: {finding.told}"))
            if finding.remedy:
                typer.echo(escape_controls(f"           → {finding.remedy}"))
    if not all(finding.is_well for finding in findings):
        raise typer.Exit(1)
