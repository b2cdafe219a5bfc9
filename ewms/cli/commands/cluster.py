"""`ewms cluster`: where tasks can run."""

import typer

from ewms.cli.context import Options

app = typer.Typer(help="See where tasks can run.", no_args_is_help=True)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List the cluster locations that a task may name."""
    given: Options = context.obj
    with given.client() as ews:
        clusters = ews.clusters()
    found = {"clusters": [cluster.model_dump(mode="json") for cluster in clusters]}
    if not given.write(found, [cluster.name for cluster in clusters]):
        from ewms.cli.text.tables import cluster_table

        given.console().print(cluster_table(clusters))
