"""When a job whose pilot has ended starts again, and after which pause. (core)

A taskforce has the workers that its user asked for until it is stopped, so nearly every job starts again:

    exit status                          the job
    CLOSED, UNUSABLE                     is over
    DONE, where the task is a source     is over; any other end of a source too, at its fifth start
    BAD_WORKER                           starts again after a pause, on another machine if it can
    DONE, FAILED, a signal, any other    starts again: at once after a steady life, else after a pause

A pause is the gap between the last two starts, doubled: a pilot that fails at every start costs one start in ten
minutes at last. A pilot that a signal has ended did not fail to start. Most often its event killed it, and the event
has an end. So its pause is the first one each time, until the job has started often. The table has two readers.
HTCondor evaluates `exit_commands`, where a pause is a hold whose subcode is its length; the local pool calls
`decide_restart`.
"""

from dataclasses import dataclass

from schemas.pilot.charges import JOB_CHARGES
from schemas.pilot.exits import PilotExit

#: The first pause, and the longest: of a pilot that failed, and of one that merely found nothing to do.
FIRST_PAUSE_S = 15
MAX_PAUSE_S = 600
MAX_IDLE_PAUSE_S = 120
#: A life that is long enough to say nothing bad of the worker; half of the job's runtime if that is shorter.
STEADY_LIFE_S = 120
#: How often a source is started at most.
MAX_SOURCE_STARTS = 5
#: The pauses after a signal begin to grow when a job has started so often.
KILLED_STARTS = 10
#: Shells and container runtimes make this much and its number of a signal.
_SIGNAL_BASE = 128

#: HTCondor's hold code for the job's own policy. The subcode of a pause is its length in seconds, and this much more
#: after a bad worker.
PAUSE_CODE = 3
BAD_MARK = 100_000
#: How many of a job's last machines it avoids after a bad worker. The machine may be well again by and by, or the only
#: one: so long after the bad worker's start none is avoided.
N_AVOIDED = 3
AVOIDED_S = 900
#: The hold codes that may be the machine's fault, after which a job tries another one: the program cannot be started,
#: files cannot be opened or transferred, no directory, too little memory, the image or the runtime is broken there.
#: Source: HTCondor manual, "Hold Reason Codes".
MACHINE_CODES = (6, 7, 8, 9, 10, 11, 12, 13, 14, 18, 19, 34, 35, 45)
MACHINE_PAUSE_S = 300

#: The attributes of a job that TMS sets when workers were found bad: its events are charged, machines are avoided
#: at all, which ones, and until when.
CHARGES, AVOIDS = JOB_CHARGES, "EWMSAvoidsMachines"
MACHINES, AVOIDED_UNTIL = "EWMSAvoidedMachines", "EWMSAvoidedUntil"

_OVER = (PilotExit.UNUSABLE, PilotExit.CLOSED)


@dataclass(frozen=True, slots=True)
class Over:
    """The job is over."""


@dataclass(frozen=True, slots=True)
class Again:
    """The job starts again after `pause_s`; 0: at once."""

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
) -> Over | Again:
    """Return what becomes of a job whose pilot has ended with `exit_code`, or minus the number of a signal.

    `last_started_s`: when the job was started the time before; None: never.
    """
    if exit_code in _OVER or (is_source and (exit_code == PilotExit.DONE or n_starts >= MAX_SOURCE_STARTS)):
        return Over()
    if exit_code != PilotExit.BAD_WORKER and ended_s - started_s >= steady_life_s(max_runtime_s):
        return Again(0)
    if _is_by_signal(exit_code) and n_starts <= KILLED_STARTS:
        return Again(FIRST_PAUSE_S)
    longest_s = MAX_IDLE_PAUSE_S if exit_code == PilotExit.DONE else MAX_PAUSE_S
    gap_s = None if last_started_s is None else started_s - last_started_s
    # After a longer gap than any pause the pilot before had a steady life, or the pool was full.
    if gap_s is None or gap_s > MAX_PAUSE_S + STEADY_LIFE_S:
        return Again(FIRST_PAUSE_S)
    return Again(int(min(longest_s, max(FIRST_PAUSE_S, 2 * gap_s))))


def _is_by_signal(exit_code: int) -> bool:
    return exit_code < 0 or exit_code > _SIGNAL_BASE


def steady_life_s(max_runtime_s: float) -> int:
    """Return how long a pilot must have lived to start again at once."""
    return int(min(STEADY_LIFE_S, max_runtime_s / 2))


def exit_commands(*, is_source: bool, max_runtime_s: int) -> dict[str, str]:
    """Return the submit commands by which HTCondor decides as `decide_restart` does.

    It evaluates `on_exit_hold` first, and `on_exit_remove` if that is false. Source: HTCondor manual, "condor_submit".
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
    mark = f"ifThenElse({is_bad}, {BAD_MARK}, 0)"
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
    """Return the submit commands by which HTCondor remembers on which machines a job has run."""
    return {"job_machine_attrs": "Machine", "job_machine_attrs_history_length": N_AVOIDED + 1}


def avoid_requirement() -> str:
    """Return the requirement by which a job keeps away from machines where workers were bad.

    Those are its own last machines, for a while after a bad worker, and those that TMS names for the whole taskforce.
    None is avoided where TMS says so: no other machine is there, or the task fails on all.

    HTCondor writes the machine of the last run to the places 0 and 1. A job that was never started has none of the
    attributes that are compared, so all of them stay one kind for the negotiator. Source: tried with HTCondor 25.14.
    """
    was_bad = f"LastHoldReasonCode =?= {PAUSE_CODE} && LastHoldReasonSubCode >= {BAD_MARK}"
    is_over = f"time() - JobCurrentStartDate > {AVOIDED_S}"
    others = " && ".join(f"TARGET.Machine =!= MachineAttrMachine{n}" for n in range(N_AVOIDED + 1))
    own = f"!({was_bad}) || ({is_over}) || ({others})"
    named = f"{MACHINES} is undefined || time() > {AVOIDED_UNTIL} || !member(TARGET.Machine, {MACHINES})"
    return f"{AVOIDS} =?= false || (({own}) && ({named}))"


def vacate_command(max_runtime_s: int) -> dict[str, str]:
    """Return the submit command by which a job that has run for its whole time leaves its worker and starts again."""
    # Until the next run executes, its job's ad says when the one before did.
    executes = "JobCurrentStartExecutingDate >= JobCurrentStartDate"
    return {"periodic_vacate": f"{executes} && time() - JobCurrentStartExecutingDate > {max_runtime_s}"}
