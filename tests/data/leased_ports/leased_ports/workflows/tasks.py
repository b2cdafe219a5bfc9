from orchestrator import begin, step
from orchestrator.services.processes import start_process
from orchestrator.services.products import get_product_by_name
from orchestrator.types import State
from orchestrator.workflow import StepList
from orchestrator.workflows.utils import task


@step("Count the ports")
def count_ports() -> State:
    return {"product": get_product_by_name("Leased Port 10G").product_id, "of": start_process.__name__}


@task()
def task_count_ports() -> StepList:
    return begin >> count_ports
