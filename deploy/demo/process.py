"""`python -m deploy.demo.process`: enroll a node while things go wrong, and print what happened.

    1  a step fails, because the network controller does not answer: the process waits for a person
    2  a retry begins at that step; the steps before it do not run again
    3  the step worker is killed (kill -9) in the middle of the next step: another worker takes the step
    4  the process completes, and the subscription is provisioned

No pilot runs here, so no HTCondor is started.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from deploy.local.children.interruption import Interrupted, raise_on_signals
from deploy.local.errors import LaunchError
from deploy.local.fetch import packages
from deploy.local.files.run_directory import run_directory
from deploy.local.system.stack import Stack
from deploy.local.system.stack_launch import running_stack
from deploy.local.system.up import prepare_servers, say_notices
from ewms import Client, EWMSError
from ewms.cli.text.steps.processes import log_lines, process_lines
from ewms.processes.plain_processes import ProcessRun
from schemas.api.processes import ProcessDetail
from schemas.engine.processes import ProcessStatus, StepStatus

WORKFLOW = "create_node_enrollment"
_PATIENCE_S = 60.0


class DemonstrationFailed(Exception):
    """The demonstration ran, but its result is not the expected one."""


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Run the demonstration, and return the exit status: 0 if all went as expected, 1 after an error, 130 after a
    signal.
    """
    console = Console(highlight=False)
    raise_on_signals()
    try:
        say_notices(console, environment)
        installed = prepare_servers(console, environment, (packages.BROKER,))
        with (
            run_directory() as run,
            running_stack(
                installed,
                run,
                pool="local",
                environment=environment,
                report_step=lambda what: console.print(f"{what} ...", style="dim", markup=False),
                with_examples=True,
            ) as stack,
            Client(stack.gateway, token=stack.token) as ews,
        ):
            run_demonstration(console, stack, ews)
    except LaunchError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    except (EWMSError, DemonstrationFailed) as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        return 1
    except Interrupted:
        console.print("interrupted; the demonstration has stopped everything")
        return 130
    return 0


def run_demonstration(console: Console, stack: Stack, ews: Client) -> None:
    """Enroll one node on a running system, while a step fails and the step worker is killed.

    Raises:
        DemonstrationFailed: an expected state did not come in time, a step has succeeded twice, or the process or its
            subscription has another status than it should have.
    """
    network = Path(stack.list_endpoints()["examples"]) / "network"
    network.mkdir(exist_ok=True)
    (network / "broken").touch()
    (product,) = ews.subscriptions.products()
    pages = [{"product": str(product.product_id)}, {"organisation": "default", "select_node": "ams-1"}]
    _wait_for_workflow(ews)

    console.print("\n1  Start the process while the network controller does not answer", style="bold")
    run = ews.processes.start(WORKFLOW, pages=pages)
    failed = run.wait(timeout=_PATIENCE_S)
    _show(console, failed)
    _expect(failed.status is ProcessStatus.FAILED, f"the process should have failed, and is {failed.status}")

    console.print("\n2  The controller is back, and slow: retry", style="bold")
    (network / "broken").unlink()
    (network / "slow").touch()
    run.resume()
    _wait_for_step(run, "Create the service")

    console.print("\n3  Kill the step worker (kill -9) while it creates the service, and start it again", style="bold")
    stack.kill("worker")
    (network / "slow").unlink()
    killed_at = time.monotonic()
    stack.start("worker")
    done = run.wait(timeout=_PATIENCE_S)
    console.print(f"completed {time.monotonic() - killed_at:.1f} s after the kill", markup=False)

    console.print("\n4  What has happened", style="bold")
    for line in log_lines(done):
        console.print(line, markup=False, soft_wrap=True)
    console.print()
    _show(console, done)
    _judge(done, network)
    made = done.subscription_ids
    (subscription,) = (each for each in ews.subscriptions.find() if str(each.subscription_id) in made)
    console.print(f"the subscription is {subscription.status}, in sync: {subscription.insync}", markup=False)
    _expect(subscription.status == "provisioning" and subscription.insync, "the subscription is not as it should be")
    console.print("nothing was lost, and each step has cleared once", style="green")


def _wait_for_workflow(ews: Client) -> None:
    _wait_until(
        lambda: any(one["name"] == WORKFLOW for one in ews.processes.workflows()), "no step worker offers the workflow"
    )


def _wait_for_step(run: ProcessRun, name: str) -> None:
    def is_running() -> bool:
        steps = {step.name: step for step in run.show().steps}
        return steps[name].started is not None and steps[name].completed is None

    _wait_until(is_running, f"the step {name!r} did not begin")


def _wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        _expect(time.monotonic() < deadline, otherwise)
        # The client waits for the end of a process only, so look for a step or a definition again and again.
        time.sleep(0.1)


def _show(console: Console, process: ProcessDetail) -> None:
    for line in process_lines(process, datetime.now(UTC)):
        console.print(line, soft_wrap=True)


def _judge(process: ProcessDetail, network: Path) -> None:
    _expect(process.status is ProcessStatus.COMPLETED, f"the process should have completed, and is {process.status}")
    cleared = [step.name for step in process.steps if step.status in (StepStatus.SUCCESS, StepStatus.COMPLETE)]
    _expect(len(cleared) == len(set(cleared)), f"a step has cleared twice: {cleared}")
    (service,) = (json.loads(path.read_text()) for path in (network / "services").iterdir())
    _expect(service["device"] == "ams-1", f"the network runs another service: {service}")


def _expect(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise DemonstrationFailed(otherwise)


if __name__ == "__main__":
    sys.exit(main())
