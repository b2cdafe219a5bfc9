"""When a job starts again: one table, and HTCondor's expressions that say the same."""

from itertools import pairwise
from typing import Any

import classad2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.pilot.exits import PilotExit
from tms.jobs.restarts import (
    AVOIDED_S,
    BAD_MARK,
    FIRST_PAUSE_S,
    KILLED_STARTS,
    MACHINE_CODES,
    MACHINE_PAUSE_S,
    MAX_IDLE_PAUSE_S,
    MAX_PAUSE_S,
    MAX_SOURCE_STARTS,
    N_AVOIDED,
    STEADY_LIFE_S,
    JobOver,
    StartAgain,
    avoid_requirement,
    decide_restart,
    exit_commands,
    find_signal,
    mark_pause,
    steady_life_s,
    vacate_command,
)

NOW = 1_800_000_000
BAD = {"LastHoldReasonCode": 3, "LastHoldReasonSubCode": BAD_MARK + 40, "JobCurrentStartDate": NOW - 400}
NAMED = {"EWMSAvoidsMachines": True, "EWMSAvoidedMachines": ["another", "m"], "EWMSAvoidedUntil": NOW + 60}
STARTS = st.one_of(st.none(), st.integers(1, 2000))


def decide(exit_code: int, *, life_s: int = 5, gap_s: int | None = None, **changes: Any) -> JobOver | StartAgain:
    facts = {"n_starts": 1 if gap_s is None else 2, "is_source": False, "max_runtime_s": 7200.0, **changes}
    last_s = None if gap_s is None else 1000.0 - gap_s
    return decide_restart(exit_code, started_s=1000, ended_s=1000 + life_s, last_started_s=last_s, **facts)


@pytest.mark.parametrize(
    ("exit_code", "life_s", "gap_s", "expected"),
    [
        # Killed, or crashed: at once after a steady life, a growing pause after a short one.
        (-9, 3600, None, StartAgain(0)),
        (-9, STEADY_LIFE_S, 20, StartAgain(0)),
        (-9, 5, None, StartAgain(FIRST_PAUSE_S)),
        (70, 5, 20, StartAgain(40)),
        (70, 5, 400, StartAgain(MAX_PAUSE_S)),
        # Left idle: the same, with a look at its queues every two minutes at least.
        (PilotExit.DONE, 3600, None, StartAgain(0)),
        (PilotExit.DONE, 6, 100, StartAgain(MAX_IDLE_PAUSE_S)),
        (PilotExit.FAILED, 3600, 20, StartAgain(0)),
        (PilotExit.FAILED, 5, 2, StartAgain(FIRST_PAUSE_S)),
        # A bad worker never starts again at once, since the same machine may be free first.
        (PilotExit.BAD_WORKER, 3600, None, StartAgain(FIRST_PAUSE_S)),
        (PilotExit.BAD_WORKER, 5, 30, StartAgain(60)),
        # The one before had a steady life: the pauses begin anew.
        (-9, 5, MAX_PAUSE_S + STEADY_LIFE_S + 1, StartAgain(FIRST_PAUSE_S)),
        (PilotExit.CLOSED, 3600, None, JobOver()),
        (PilotExit.UNUSABLE, 1, None, JobOver()),
    ],
)
def test_what_becomes_of_a_job(exit_code: int, life_s: int, gap_s: int | None, expected: JobOver | StartAgain) -> None:
    assert decide(exit_code, life_s=life_s, gap_s=gap_s) == expected


@pytest.mark.parametrize(
    ("exit_code", "n_starts", "expected"),
    [
        (PilotExit.DONE, 1, JobOver()),
        (PilotExit.FAILED, 1, StartAgain(FIRST_PAUSE_S)),
        (-9, MAX_SOURCE_STARTS - 1, StartAgain(FIRST_PAUSE_S)),
        (-9, MAX_SOURCE_STARTS, JobOver()),
    ],
)
def test_a_source_runs_once_and_is_tried_a_few_times(
    exit_code: int, n_starts: int, expected: JobOver | StartAgain
) -> None:
    assert decide(exit_code, n_starts=n_starts, is_source=True) == expected


@pytest.mark.parametrize(
    ("exit_code", "n_starts", "expected"),
    [
        # Its event killed it, which has an end: the short pause each time, until that happened often.
        (-9, KILLED_STARTS, StartAgain(FIRST_PAUSE_S)),
        (137, KILLED_STARTS, StartAgain(FIRST_PAUSE_S)),
        (-9, KILLED_STARTS + 1, StartAgain(80)),
        (137, KILLED_STARTS + 1, StartAgain(80)),
        (1, 2, StartAgain(80)),
        (128, 2, StartAgain(80)),
    ],
)
def test_a_killed_pilot_pauses_shortly_at_first(exit_code: int, n_starts: int, expected: StartAgain) -> None:
    assert decide(exit_code, gap_s=40, n_starts=n_starts) == expected


@pytest.mark.parametrize(("max_runtime_s", "life_s"), [(7200, STEADY_LIFE_S), (60, 30), (1, 0)])
def test_a_worker_whose_whole_time_is_short_has_a_short_steady_life(max_runtime_s: float, life_s: int) -> None:
    assert steady_life_s(max_runtime_s) == life_s


@given(st.integers(0, 60), st.sampled_from([1, 7]))
def test_a_pilot_that_always_fails_costs_ever_fewer_starts(life_s: int, exit_code: int) -> None:
    """However fast it ends: six starts in the first quarter of an hour, then one in ten minutes."""
    starts, at_s, last_s = [0.0], 0.0, None
    while at_s < 7200:
        decision = decide_restart(
            exit_code,
            started_s=at_s,
            ended_s=at_s + life_s,
            last_started_s=last_s,
            n_starts=len(starts),
            is_source=False,
            max_runtime_s=7200,
        )
        assert isinstance(decision, StartAgain)
        last_s, at_s = at_s, at_s + life_s + decision.pause_s
        starts.append(at_s)
    assert sum(start < 900 for start in starts) <= 7
    assert all(later - one >= MAX_PAUSE_S for one, later in pairwise(starts[7:]))


def evaluate(expression: str, **attributes: Any) -> Any:
    ad = classad2.ClassAd(attributes)
    return classad2.ExprTree(expression.replace("time()", str(NOW))).eval(ad)


@given(
    exit_code=st.sampled_from([-9, -15, 0, 1, 2, 3, 4, 137, 255]),
    life_s=st.integers(0, 1000),
    gap_s=STARTS,
    n_starts=st.integers(1, 14),
    is_source=st.booleans(),
    max_runtime_s=st.sampled_from([60, 200, 7200]),
)
def test_htcondor_decides_as_the_local_pool_does(
    exit_code: int, life_s: int, gap_s: int | None, n_starts: int, is_source: bool, max_runtime_s: int
) -> None:
    started_s = NOW - life_s
    attributes: dict[str, Any] = {
        "ExitBySignal": exit_code < 0,
        ("ExitSignal" if exit_code < 0 else "ExitCode"): abs(exit_code),
        "JobCurrentStartDate": started_s,
        "NumJobStarts": n_starts,
    }
    if gap_s is not None:
        attributes["JobLastStartDate"] = started_s - gap_s
    commands = exit_commands(is_source=is_source, max_runtime_s=max_runtime_s)
    is_held = evaluate(commands["on_exit_hold"], **attributes)
    is_removed = evaluate(commands["on_exit_remove"], **attributes)
    decision = decide_restart(
        exit_code,
        started_s=started_s,
        ended_s=NOW,
        last_started_s=None if gap_s is None else started_s - gap_s,
        n_starts=n_starts,
        is_source=is_source,
        max_runtime_s=max_runtime_s,
    )
    match decision:
        case JobOver():
            assert (is_held, is_removed) == (False, True)
        case StartAgain(0):
            assert (is_held, is_removed) == (False, False)
        case StartAgain(pause_s):
            assert (is_held, is_removed) == (True, False)
            mark = BAD_MARK if exit_code == PilotExit.BAD_WORKER else 0
            assert evaluate(commands["on_exit_hold_subcode"], **attributes) == mark_pause(pause_s, exit_code) + mark


@pytest.mark.parametrize(
    ("code", "subcode", "held_s", "expected"),
    [
        (3, 40, 39, False),
        (3, 40, 40, True),
        (3, BAD_MARK + 40, 39, False),
        (3, BAD_MARK + 40, 40, True),
        (3, mark_pause(15, -9), 14, False),
        (3, mark_pause(15, -9), 15, True),
        *((code, 0, MACHINE_PAUSE_S, True) for code in MACHINE_CODES),
        (34, 102, MACHINE_PAUSE_S - 1, False),
        # A user's, an operator's, and the pool's policy: nobody but them releases it.
        (1, 0, 10_000, False),
        (15, 0, 10_000, False),
        (26, 0, 10_000, False),
    ],
)
def test_a_pause_ends_and_another_machine_is_tried(code: int, subcode: int, held_s: int, expected: bool) -> None:
    release = exit_commands(is_source=False, max_runtime_s=7200)["periodic_release"]
    attributes = {"HoldReasonCode": code, "HoldReasonSubCode": subcode, "EnteredCurrentStatus": NOW - held_s}
    assert evaluate(release, **attributes) is expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, True),
        ({"MachineAttrMachine0": "m", "JobCurrentStartDate": NOW - 60}, True),
        ({"LastHoldReasonCode": 3, "LastHoldReasonSubCode": 40, "MachineAttrMachine0": "m"}, True),
        # A signal does not make a worker bad.
        ({"LastHoldReasonCode": 3, "LastHoldReasonSubCode": mark_pause(15, -9), "MachineAttrMachine0": "m"}, True),
        # After a bad worker: neither there, nor on those before, for a while.
        *(({**BAD, f"MachineAttrMachine{n}": "m"}, False) for n in range(N_AVOIDED + 1)),
        ({**BAD, "MachineAttrMachine0": "another"}, True),
        ({**BAD, "MachineAttrMachine0": "m", "JobCurrentStartDate": NOW - AVOIDED_S - 1}, True),
        # What TMS says for the whole taskforce.
        (NAMED, False),
        ({**NAMED, "EWMSAvoidedMachines": ["another"]}, True),
        ({**NAMED, "EWMSAvoidedUntil": NOW - 1}, True),
        ({**NAMED, "EWMSAvoidsMachines": False}, True),
        ({**BAD, "MachineAttrMachine0": "m", "EWMSAvoidsMachines": False}, True),
    ],
)
def test_the_machine_of_a_bad_worker_is_avoided_for_a_while(attributes: dict[str, Any], expected: bool) -> None:
    requirement = avoid_requirement().replace("TARGET.Machine", '"m"')
    assert evaluate(requirement, **attributes) is expected


@pytest.mark.parametrize(
    ("started_s", "executes_s", "expected"),
    [(101, 100, True), (101, 50, False), (10, 100, False), (10, 9, False), (300, 5000, False)],
)
def test_a_worker_leaves_when_its_time_is_over_and_not_for_the_run_before(
    started_s: int, executes_s: int, expected: bool
) -> None:
    """`JobCurrentStartExecutingDate` is that of the last run until the next one executes."""
    vacate = vacate_command(60)["periodic_vacate"]
    attributes = {"JobCurrentStartDate": NOW - started_s, "JobCurrentStartExecutingDate": NOW - executes_s}
    assert evaluate(vacate, **attributes) is expected


@pytest.mark.parametrize(("exit_code", "number"), [(-9, 9), (137, 9), (-11, 11), (1, 0), (128, 0), (255, 0), (0, 0)])
def test_the_signal_that_ended_a_pilot_is_known_also_through_a_shell(exit_code: int, number: int) -> None:
    assert find_signal(exit_code) == number
    assert mark_pause(15, exit_code) % 1_000_000 == 15
