"""Decide whether a job starts again after its pilot has ended, and after which pause. (core)

A taskforce keeps its number of workers until it is stopped. So nearly every job starts again:

    exit status                          the job
    CLOSED, UNUSABLE                     is over
    DONE, where the task is a source     is over; any other end of a source too, at its fifth start
    BAD_WORKER                           starts again after a pause, on another machine if it can
    DONE, FAILED, a signal, any other    starts again: at once after a steady life, else after a pause

A pause is twice the gap between the last two starts, within bounds. So a pilot that fails at every start costs one
start in ten minutes in the end. A pilot that a signal has ended did not fail to start. Most often its event killed it,
and an event has a limited number of attempts. So its pause stays at 15 s for the first `KILLED_STARTS` starts of the
job.

Both pools use the table. HTCondor evaluates `exit_commands`: a pause is a hold, and the hold's subcode is the length of
the pause. The local pool calls `decide_restart`.
"""

from dataclasses import dataclass

from schemas.pilot.exits import PilotExit
from schemas.pilot.job_names import JOB_CHARGES

#: The first pause, the longest pause after a failure, and the longest pause after a pilot that only had nothing to do.
FIRST_PAUSE_S = 15
MAX_PAUSE_S = 600
MAX_IDLE_PAUSE_S = 120
#: A job whose pilot has lived for this time, or for half of the job's runtime if that is shorter, starts again at once.
STEADY_LIFE_S = 120
#: The most starts of a source.
MAX_SOURCE_STARTS = 5
#: After this many starts of a job, its pauses after a signal begin to grow.
KILLED_STARTS = 10
#: Shells and container runtimes report a signal as this value plus its number.
_SIGNAL_BASE = 128
_N_SIGNALS = 64

#: HTCondor's hold code for the job's own policy. The subcode of a pause is its length in seconds; after a bad worker,
#: `BAD_MARK` is added to it, and after a signal `SIGNAL_MARK` times the signal's number.
PAUSE_CODE = 3
BAD_MARK = 100_000
SIGNAL_MARK = 1_000_000
#: After a bad worker, a job avoids this many of its last machines, until `AVOIDED_S` seconds after the bad worker's
#: start. A machine may recover, or be the only one.
N_AVOIDED = 3
AVOIDED_S = 900
#: The hold codes that may be the machine's fault, so that the job tries another machine: the program cannot start,
#: files cannot be opened or transferred, a directory is missing, memory is short, the image or the runtime is broken.
#: Source: HTCondor manual, "Hold Reason Codes".
MACHINE_CODES = (6, 7, 8, 9, 10, 11, 12, 13, 14, 18, 19, 34, 35, 45)
MACHINE_PAUSE_S = 300

#: The attributes of a job that TMS sets after bad workers: whether failures count against their events, whether the job
#: avoids machines at all, which machines, and until when.
CHARGES, AVOIDS = JOB_CHARGES, "EWMSAvoidsMachines"
MACHINES, AVOIDED_UNTIL = "EWMSAvoidedMachines", "EWMSAvoidedUntil"

_OVER = (PilotExit.UNUSABLE, PilotExit.CLOSED)


@dataclass(frozen=True, slots=True)
class JobOver:
    """The job is over."""


@dataclass(frozen=True, slots=True)
class StartAgain:
    """The job starts again after `pause_s` seconds; 0 means at once."""

    pause_s: int


def decide_restart(
    exit_code: int,
    *,
    started_s: float,
    ended_s: float,
    last_started_s: float | None,
    n_starts: int,
    is_source: bool,
    max_runtime_s: float,
) -> JobOver | StartAgain:
    """Return whether a job starts again after its pilot has ended with `exit_code` (minus the number of a signal).

    `last_started_s` is the start time of the job's run before this one. It is None if this was the first run.
    """
    if exit_code in _OVER or (is_source and (exit_code == PilotExit.DONE or n_starts >= MAX_SOURCE_STARTS)):
        return JobOver()
    if exit_code != PilotExit.BAD_WORKER and ended_s - started_s >= steady_life_s(max_runtime_s):
        return StartAgain(0)
    if _is_by_signal(exit_code) and n_starts <= KILLED_STARTS:
        return StartAgain(FIRST_PAUSE_S)
    longest_s = MAX_IDLE_PAUSE_S if exit_code == PilotExit.DONE else MAX_PAUSE_S
    gap_s = None if last_started_s is None else started_s - last_started_s
    # If the gap is longer than any pause, the earlier pilot had a steady life or the pool was full.
    if gap_s is None or gap_s > MAX_PAUSE_S + STEADY_LIFE_S:
        return StartAgain(FIRST_PAUSE_S)
    return StartAgain(int(min(longest_s, max(FIRST_PAUSE_S, 2 * gap_s))))


def mark_pause(pause_s: int, exit_code: int) -> int:
    """Return the hold's subcode for a pause after a pilot that ended with `exit_code`."""
    return pause_s + SIGNAL_MARK * find_signal(exit_code)


def find_signal(exit_code: int) -> int:
    """Return the number of the signal that ended a pilot. Return 0 if no signal did, or if its number is unknown."""
    number = -exit_code if exit_code < 0 else exit_code - _SIGNAL_BASE
    return number if 0 < number <= _N_SIGNALS else 0


def _is_by_signal(exit_code: int) -> bool:
    return exit_code < 0 or exit_code > _SIGNAL_BASE


def steady_life_s(max_runtime_s: float) -> int:
    """Return for how many seconds a pilot must live so that its job starts again at once."""
    return int(min(STEADY_LIFE_S, max_runtime_s / 2))


def exit_commands(*, is_source: bool, max_runtime_s: int) -> dict[str, str]:
    """Return the submit commands, by name, that make HTCondor decide about an ended job as `decide_restart` does.

    HTCondor evaluates `on_exit_hold` first. If the result is false, HTCondor evaluates `on_exit_remove`. Source:
    HTCondor manual, "condor_submit".
    """
    exited = "ExitBySignal =?= false && ExitCode =?= "
    over = " || ".join(f"({exited}{int(code)})" for code in _OVER)
    if is_source:
        over += f" || ({exited}{int(PilotExit.DONE)}) || NumJobStarts >= {MAX_SOURCE_STARTS}"
    is_steady = f"time() - JobCurrentStartDate >= {steady_life_s(max_runtime_s)}"
    is_bad = f"({exited}{int(PilotExit.BAD_WORKER)})"
    at_once = f"!{is_bad} && {is_steady}"
    gap = "(JobCurrentStartDate - JobLastStartDate)"
    is_first = f"JobLastStartDate is undefined || JobLastStartDate <= 0 || {gap} > {MAX_PAUSE_S + STEADY_LIFE_S}"
    is_by_signal = f"(ExitBySignal =?= true || ExitCode > {_SIGNAL_BASE})"
    is_first = f"{is_first} || ({is_by_signal} && NumJobStarts <= {KILLED_STARTS})"
    longest = f"ifThenElse({exited}{int(PilotExit.DONE)}, {MAX_IDLE_PAUSE_S}, {MAX_PAUSE_S})"
    doubled = f"min({{{longest}, max({{{FIRST_PAUSE_S}, 2 * {gap}}})}})"
    killer = f"ifThenElse(ExitBySignal =?= true, ExitSignal, ExitCode - {_SIGNAL_BASE})"
    is_known = f"({killer} > 0 && {killer} <= {_N_SIGNALS}) =?= true"
    mark = f"ifThenElse({is_bad}, {BAD_MARK}, ifThenElse({is_known}, {SIGNAL_MARK} * ({killer}), 0))"
    codes = ", ".join(map(str, MACHINE_CODES))
    held = "time() - EnteredCurrentStatus"
    return {
        "on_exit_remove": over,
        "on_exit_hold": f"!({over}) && !({at_once})",
        "on_exit_hold_subcode": f"ifThenElse({is_first}, {FIRST_PAUSE_S}, {doubled}) + {mark}",
        "on_exit_hold_reason": '"the pilot ended early; it starts again after a pause"',
        "periodic_release": (
            f"(HoldReasonCode == {PAUSE_CODE} && {held} >= HoldReasonSubCode % {BAD_MARK})"
            f" || (member(HoldReasonCode, {{{codes}}}) && {held} >= {MACHINE_PAUSE_S})"
        ),
    }


def avoid_commands() -> dict[str, str | int]:
    """Return the submit commands that make HTCondor record the machines on which a job has run."""
    return {"job_machine_attrs": "Machine", "job_machine_attrs_history_length": N_AVOIDED + 1}


def avoid_requirement() -> str:
    """Return the requirement that keeps a job away from machines with bad workers.

    A job avoids its own last machines for a while after a bad worker, and the machines that TMS names for the whole
    taskforce. TMS can switch this off: when the pool has no other machine, or when the task fails on all machines.

    HTCondor writes the machine of the last run to `MachineAttrMachine0` and `MachineAttrMachine1`. A job that never
    started has none of the compared attributes, so the negotiator treats all such jobs as one kind. Source: tried with
    HTCondor 25.14.
    """
    was_bad = f"LastHoldReasonCode =?= {PAUSE_CODE} && LastHoldReasonSubCode % {SIGNAL_MARK} >= {BAD_MARK}"
    is_over = f"time() - JobCurrentStartDate > {AVOIDED_S}"
    others = " && ".join(f"TARGET.Machine =!= MachineAttrMachine{n}" for n in range(N_AVOIDED + 1))
    own = f"!({was_bad}) || ({is_over}) || ({others})"
    named = f"{MACHINES} is undefined || time() > {AVOIDED_UNTIL} || !member(TARGET.Machine, {MACHINES})"
    return f"{AVOIDS} =?= false || (({own}) && ({named}))"


def vacate_command(max_runtime_s: int) -> dict[str, str]:
    """Return the submit command that takes a job off its worker after its whole runtime. The job then starts again."""
    # Between a start and its execution, the job's ad still has the execution time of the run before.
    executes = "JobCurrentStartExecutingDate >= JobCurrentStartDate"
    return {"periodic_vacate": f"{executes} && time() - JobCurrentStartExecutingDate > {max_runtime_s}"}
