"""Write the orders of builders from what is stored of a task. (core)"""

from schemas.automation.builds import BuildLimits, BuildOrder
from schemas.automation.catalogue import CatalogueTask, TaskVersion
from wms.catalogue.life.version_parts import get_latest


def make_look_order(task: CatalogueTask, limits: BuildLimits) -> BuildOrder:
    """Return the order to look at the source of the latest version. It takes no reports."""
    latest = get_latest(task)
    return BuildOrder(
        build=f"{task.id}-look-{task.n_looks}",
        task=task.id,
        version=latest.number,
        source=latest.recipe.source,
        limits=limits,
    )


def make_build_order(task: CatalogueTask, version: TaskVersion, limits: BuildLimits) -> BuildOrder:
    """Return the order to build a version that was approved."""
    build = version.last_build
    return BuildOrder(
        build=build,
        task=task.id,
        version=version.number,
        source=version.recipe.source,
        commit=version.commit,
        limits=limits,
        network=version.recipe.network,
        locations=version.recipe.locations,
        report_path=f"/v1/builds/{build}/reports",
    )
