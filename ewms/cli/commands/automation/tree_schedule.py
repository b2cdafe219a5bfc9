"""`ewms tree schedule`: launch templates at the times of a rule."""

from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.commands.explain import print_explanation
from ewms.cli.context import GlobalOptions, parse_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

app = typer.Typer(help="Launch templates at the times of a rule.", no_args_is_help=True)

Schedule = Annotated[str, typer.Argument(metavar="SCHEDULE", help="The schedule's name, or its number.")]


@app.command()
def add(
    context: typer.Context,
    template: Annotated[str, typer.Argument(metavar="TEMPLATE", help="The template's name, or its number.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the schedule.")],
    rule: Annotated[
        str, typer.Argument(metavar="RULE", help='"DTSTART;TZID=Europe/Berlin:20260101T023000 RRULE:FREQ=DAILY"')
    ],
    *,
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--var",
            metavar="NAME=VALUE",
            help="A variable; VALUE is JSON, or else a text. Where the survey asks for a text, it is one. Repeatable.",
        ),
    ] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="It launches nothing until you enable it.")] = False,
    start_deadline: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", min=1, help="Skip an occurrence that the server reaches later than this."),
    ] = None,
    skip_if_running: Annotated[
        bool, typer.Option("--skip-if-running", help="Skip an occurrence while an earlier job of it is not over.")
    ] = False,
) -> None:
    """Launch a template at the times of a rule."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        texts = ews.trees.find_text_variables(template) if variables else ()
        values = parse_settings(variables or [], "--var", "NAME", texts=texts)
        made = ews.trees.schedules.add(
            template,
            name,
            rule,
            variables=values,
            enabled=not disabled,
            start_deadline_s=start_deadline,
            skip_if_running=skip_if_running,
        )
    _show_schedule(given, made, [])


@app.command("list")
def list_all(context: typer.Context) -> None:
    """List the schedules: the next time of each, and what became of the last one."""
    from ewms.cli.text.automation.schedules import schedule_table

    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.trees.schedules.list_all()
    if not given.write_result([dict(each) for each in found], [str(each["id"]) for each in found]):
        given.print_list(schedule_table(found), "no schedules")


@app.command()
def show(
    context: typer.Context,
    schedule: Schedule,
    *,
    count: Annotated[int, typer.Option("--next", min=1, max=100, help="Show so many of the next times.")] = 5,
) -> None:
    """Show a schedule, with its next times."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.trees.schedules.find(schedule)
        following = ews.trees.schedules.preview(found["rrule"], count=count) if found["enabled"] else []
    _show_schedule(given, found, following)


@app.command()
def explain(context: typer.Context, schedule: Schedule) -> None:
    """Explain why a schedule launches nothing, or when it does: causes and what helps."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        found = ews.trees.schedules.explain(schedule)
    print_explanation(given, found)


@app.command()
def enable(context: typer.Context, schedule: Schedule) -> None:
    """Let a schedule launch from now on. It has missed nothing meanwhile."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _show_schedule(given, ews.trees.schedules.enable(schedule), [])


@app.command()
def disable(context: typer.Context, schedule: Schedule) -> None:
    """Let a schedule launch nothing from now on."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _show_schedule(given, ews.trees.schedules.disable(schedule), [])


@app.command()
def delete(context: typer.Context, schedule: Schedule) -> None:
    """Delete a schedule. The jobs that it has launched stay."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.trees.schedules.delete(schedule)
    given.tell_user(f"schedule {schedule} is deleted")


def _show_schedule(given: GlobalOptions, schedule: "Mapping[str, Any]", following: "Sequence[str]") -> None:
    from ewms.cli.text.automation.schedules import schedule_lines

    if not given.write_result({**schedule, "next_runs": list(following)}, [str(schedule["id"])]):
        console = given.make_console()
        for line in schedule_lines(schedule, following):
            console.print(line, soft_wrap=True)
