"""`ewms doctor`: what is well and what is not on the way to a working server, a line each."""

import typer

from ewms.cli.context import Options


def doctor(context: typer.Context) -> None:
    """Check each step to working tasks: gateway, versions, token, broker, clusters. Status 1 if one is not well."""
    from dataclasses import asdict

    from ewms.cli.text.plain import harmless

    given: Options = context.obj
    with given.client() as ews:
        findings = ews.checkup()
    names = [finding.what for finding in findings if not finding.is_well]
    if not given.write({"findings": [asdict(finding) for finding in findings]}, names):
        for finding in findings:
            mark = "not tried" if not finding.is_tried else "ok" if finding.is_well else "not ok"
            typer.echo(harmless(f"{mark:<9}  {finding.what}: {finding.told}"))
            if finding.remedy:
                typer.echo(harmless(f"           → {finding.remedy}"))
    if not all(finding.is_well for finding in findings):
        raise typer.Exit(1)
