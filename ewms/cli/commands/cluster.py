"""`ewms cluster`: where tasks can run."""

import typer

from ewms.cli.context import GlobalOptions

app = typer.Typer(help="See where tasks can run.", no_args_is_help=True)


@app.command("list")
def list_clusters(context: typer.Context) -> None:
    """List the cluster locations that a task may name."""
    given: GlobalOptions = context.obj
    with given.make_client() as ews:
        clusters = ews.clusters()
    found = {"clusters": [cluster.model_dump(mode="json") for cluster in clusters]}
    if not given.write_result(found, [cluster.name for cluster in clusters]):
        from ewms.cli.text.tables import cluster_table

        given.make_console().print(cluster_table(clusters))
