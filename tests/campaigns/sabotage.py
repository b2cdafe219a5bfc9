"""What each trouble of the endings campaign does: the task that fails, and what strikes while the run goes on."""

import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ewms import Workflow
from tests.campaigns.strikes import list_tree
from tests.campaigns.troubles import PlannedRun, Trouble
from tests.system.conftest import one_task
from tests.system.pilots import find_pilots

#: A worker lives so long where the task may take longer than that.
_SHORT_LIFE = "20s"
#: Between two strikes; HTCondor needs some seconds to have a pilot back.
_BETWEEN_STRIKES_S = 4.0

_WORK = "sleep 0.1; cp $1 $2"

_BAD: Mapping[Trouble, str] = {
    Trouble.BUG: 'echo "ValueError: bad pixel in event $n" >&2; exit 1',
    # The parent of the task is its pilot: on the platform `none` nothing stands between them.
    Trouble.POISON: "kill -9 $PPID; sleep 60",
    Trouble.TOO_LONG: "sleep 300",
    Trouble.ALL_FAIL: 'echo "ImportError: no module named pixels" >&2; exit 1',
}


def plan_workflow(run: PlannedRun, directory: Path) -> Workflow:
    """Return the workflow of `run`; its workers can write in `directory`."""
    workflow = one_task(_script(run, directory), n_workers=run.n_workers)
    match run.trouble:
        case Trouble.TOO_LONG:
            return _change_task(workflow, max_runtime=_SHORT_LIFE)
        case Trouble.NO_SLOT:
            return _change_task(workflow, cores=512)
        case _:
            return workflow


def _change_task(workflow: Workflow, **fields: Any) -> Workflow:
    (task,) = workflow.tasks
    return replace(workflow, tasks=[replace(task, **fields)])


def _script(run: PlannedRun, directory: Path) -> str:
    if run.bad:
        numbers = "|".join(map(str, sorted(run.bad)))
        return f'n=$(cat $1); case "$n" in {numbers}) {_BAD[run.trouble]};; esac; {_WORK}'
    if run.trouble is Trouble.BLACK_HOLE:
        return f"{_black_hole(run.n_workers - 1, directory)}; {_WORK}"
    return _WORK


def _black_hole(n_bad: int, directory: Path) -> str:
    """Return the words that let the first `n_bad` pilots fail on everything, at once, and no other."""
    names = " ".join(f"bad{number}" for number in range(n_bad))
    claims = f"for b in {names}; do if mkdir $d/$b 2>&- ; then mkdir $d/$PPID.bad; break; fi; done"
    return (
        f"d={directory}; if mkdir $d/$PPID 2>&- ; then {claims}; fi; "
        'if [ -e $d/$PPID.bad ]; then echo "OSError: no software on this node" >&2; exit 1; fi'
    )


class Saboteur:
    """Strikes the workers of one run, in a thread; the end of the block ends it."""

    def __init__(self, run: PlannedRun, taskforces: Callable[[], list[str]], startd: Callable[[], list[int]]) -> None:
        self._run = run
        self._taskforces = taskforces
        self._startd = startd
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._strike)

    def __enter__(self) -> "Saboteur":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def begin(self) -> None:
        """Start the clock, if this trouble strikes at all."""
        if self._run.trouble in {Trouble.KILLED, Trouble.NODE_LOST}:
            self._thread.start()

    def _strike(self) -> None:
        pause_s = self._run.delay_s
        for _ in range(self._run.times):
            if self._over.wait(pause_s):
                return
            pause_s = _BETWEEN_STRIKES_S
            for pid in self._find_victims():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _find_victims(self) -> list[int]:
        if self._run.trouble is Trouble.NODE_LOST:
            return [pid for ancestor in self._startd() for pid in list_tree(ancestor)]
        return [pid for uuid in self._taskforces() for pid in find_pilots(uuid)]


def find_startd(master: int) -> list[int]:
    """Return the process below HTCondor's `master` that stands for the worker node."""
    found = []
    for pid in list_tree(master):
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "condor_startd":
                found.append(pid)
    return found


def wrong_workflow(which: int) -> tuple[Workflow, str]:
    """Return a workflow that can never run, and a word that its refusal has to name."""
    wrong: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"args": "sh -c 'cp {{INFILE}} {{OUTFILE}}"}, {}, "task_args"),
        ({}, {"EWMS_PILOT_TASK_TIMEOUT": "10m"}, "EWMS_PILOT_TASK_TIMEOUT"),
        ({}, {"EWMS_PILOT_TASK_TIMEOUTS": "10"}, "EWMS_PILOT_TASK_TIMEOUT"),
        ({"args": "cp {{INFIEL}} {{OUTFILE}}"}, {}, "INFIEL"),
        ({"memory": "512"}, {}, "memory"),
    ]
    fields, pilot, word = wrong[which % len(wrong)]
    return _change_task(one_task(_WORK, n_workers=1, **pilot), **fields), word
