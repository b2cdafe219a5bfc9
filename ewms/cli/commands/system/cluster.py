"""`ewms cluster`: where tasks can run."""

import typer

from ewms.cli.context import GlobalOptions

app = typer.Typer(help="See where tasks can run.", no_args_is_help=True)


@app.command("list")
def list_clusters(context: typer.Context) -> None:
    """List the cluster locations that a task may name, and how many workers a task without `n_workers` gets there.

    A location may have aliases: other names that a task may use too. `-o name` leaves them out.
    """
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        clusters = ews.clusters()
    found = {"clusters": [cluster.model_dump(mode="json") for cluster in clusters]}
    locations = [cluster for cluster in clusters if not cluster.alias_of]
    if not given.write_result(found, [location.name for location in locations]):
        from ewms.cli.text.fleet.tables import cluster_table

        given.make_console().print(cluster_table(clusters))
