"""Which definitions a step worker may offer."""

import pytest

from schemas.automation.builds import BUILD_IMAGE, BUILD_POOL, FIND_COMMIT
from schemas.automation.jobs import JOB_DEFINITION
from schemas.engine.graph import Definition, Graph
from schemas.errors import Rejected
from wms.engine.life.launching import check_reserved_name


@pytest.mark.parametrize("name", [FIND_COMMIT, BUILD_IMAGE])
def test_only_the_builders_pool_offers_the_builders_lists(name: str) -> None:
    check_reserved_name(Definition(name=name, graph=Graph(), pool=BUILD_POOL))
    with pytest.raises(Rejected, match=f"the pool 'default' may not offer '{name}'") as refused:
        check_reserved_name(Definition(name=name, graph=Graph(), pool="default"))
    assert refused.value.hint == "give the workflow another name"


@pytest.mark.parametrize("pool", ["default", BUILD_POOL])
def test_no_pool_offers_jobs_on_hosts(pool: str) -> None:
    with pytest.raises(Rejected, match="the name belongs to WMS"):
        check_reserved_name(Definition(name=JOB_DEFINITION, graph=Graph(), pool=pool))


def test_every_pool_offers_other_names() -> None:
    check_reserved_name(Definition(name=f"{BUILD_IMAGE}_2", graph=Graph(), pool="default"))
