"""`ewms cluster`: where tasks can run, and where operators stop new workers."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from ewms.cli.context import GlobalOptions, parse_option

if TYPE_CHECKING:
    from schemas.api.operators import DrainStatus

app = typer.Typer()

Cluster = Annotated[str, typer.Argument(metavar="CLUSTER", help="A location of `ewms cluster list`, or its alias.")]


@app.command("list")
def list_clusters(context: typer.Context) -> None:
    """List the cluster locations that a task may name, and how many workers a task without `n_workers` gets there.

    A location may have aliases: other names that a task may use too. `-o name` leaves them out. At a drained location
    no workers start.
    """
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        clusters = ews.clusters()
    found = {"clusters": [cluster.model_dump(mode="json") for cluster in clusters]}
    locations = [cluster for cluster in clusters if not cluster.alias_of]
    if not given.write_result(found, [location.name for location in locations]):
        from ewms.cli.text.fleet.tables import cluster_table

        given.make_console().print(cluster_table(clusters))


@app.command("show")
def show_cluster(context: typer.Context, cluster: Cluster) -> None:
    """Show whether a location is drained, and how many taskforces are there. For operators and auditors."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        _print_status(given, ews.operators.read_drain(cluster))


@app.command("drain")
def drain_cluster(
    context: typer.Context,
    cluster: Cluster,
    *,
    reason: Annotated[str, typer.Option(help="Why; users see it.")] = "",
    end_workers_in: Annotated[
        str | None, typer.Option(help="End the workers there after this time: 0s, 30m, 2h. Without: in their own time.")
    ] = None,
    lost: Annotated[
        bool,
        typer.Option("--lost", help="Its access point is gone for good: end all taskforces there, without its TMS."),
    ] = False,
) -> None:
    """Start no workers at a location, until `ewms cluster undrain`. For operators.

    Workers that run there go on. What this stops comes back after `undrain`. Once more with other options, these count.
    What `--lost` ends does not come back, and nothing takes its place.
    """
    given: GlobalOptions = context.obj
    wait_s = parse_option("--end-workers-in", end_workers_in)
    end_at = None if wait_s is None else datetime.now(UTC) + timedelta(seconds=wait_s)
    with given.make_client() as ews:
        _print_status(given, ews.operators.drain(cluster, reason=reason, workers_end_at=end_at, is_lost=lost))


@app.command("undrain")
def undrain_cluster(context: typer.Context, cluster: Cluster) -> None:
    """Let workers start at a location again. For operators."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        ews.operators.undrain(cluster)
    given.tell_user(f"workers start at {cluster} again")


def _print_status(given: GlobalOptions, status: "DrainStatus") -> None:
    if not given.write_result(status.model_dump(mode="json"), [status.location]):
        from ewms.cli.text.operators import describe_place

        given.make_console().print(describe_place(status))
