"""The pilot's life: (state, stimulus) -> (state, instructions). (core)

    [init] -> listening -> draining -> [quarantined] -> over

An event in the pilot's hands is in one of three states:

    waiting    for a slot
    running    in a slot
    settling   its task has ended, its output or dead letter is on the way to the broker, its slot is free again

The pilot acknowledges the event when the broker has confirmed the output or dead letter, never before.

Each stimulus is handled in two parts: `_record_stimulus` notes what it changes, and `continue_work` decides how to go
on.

A delivery is *live* until its queue's subscription is lost. The broker then gives the event to another pilot. So this
pilot never settles a delivery that is not live. But its run goes on, and the pilot publishes its output.
"""

from pilot.life.instructions import (
    Instruction,
    KillAll,
    Listen,
    RunInit,
    Settle,
    Settlement,
    Start,
    StopListening,
    WarmUp,
    settle_event,
)
from pilot.life.leaving import SETTLE_GRACE_S, abandon_all, begin_draining, begin_stop, exit_with
from pilot.life.lookahead import choose_prefetch, mark_long
from pilot.life.outcome import record_confirmation, record_end, record_refusal
from pilot.life.records import replace
from pilot.life.retiring import end_work, is_time_up, must_retire, retires_at
from pilot.life.state import PilotState, Policy, Stage, Step, report_status
from pilot.life.stepping_aside import take_events_again
from pilot.life.stimuli import (
    CooledDown,
    EventArrived,
    HeldEvent,
    InitEnded,
    PilotBroken,
    PublishConfirmed,
    PublishRefused,
    RunEnded,
    Stimulus,
    StopAsked,
    SubscriptionLost,
    Tick,
)
from pilot.life.taking import continue_work, take_event
from pilot.life.verdicts import charge_events, verdict_due_at
from schemas.fleet.statuses import PilotStatus
from schemas.ids import EventId
from schemas.pilot.prefetch import LONG_S

#: While a subscription is missing, the pilot checks the subscriptions at this interval.
_AWAY_CHECK_S = 0.25


def begin_life(policy: Policy, now_s: float) -> Step:
    """Return a pilot's first state and its first instructions."""
    state = PilotState(policy, Stage.INIT, quiet_since_s=now_s, ticked_s=now_s)
    if policy.has_init:
        return report_status(replace(state, init_runs=True), PilotStatus.RUNNING_INIT_COMMAND, [RunInit()])
    return _begin_listening(state, now_s)


def advance_life(state: PilotState, stimulus: Stimulus) -> Step:
    """Return `state` after `stimulus`, and the instructions to carry out now."""
    state, instructions = _record_stimulus(state, stimulus)
    return continue_work(state, stimulus.now_s, instructions)


def _record_stimulus(state: PilotState, stimulus: Stimulus) -> Step:
    """Return `state` with the changes that `stimulus` alone causes. `continue_work` decides how the pilot goes on."""
    match stimulus:
        case EventArrived():
            return take_event(state, stimulus)
        case _ if state.stage is Stage.OVER:
            return state, []
        case RunEnded():
            return record_end(state, stimulus)
        case PublishConfirmed():
            return record_confirmation(state, stimulus)
        case PublishRefused():
            return record_refusal(state, stimulus)
        case SubscriptionLost():
            return _record_loss(state, stimulus)
        case Tick():
            return _handle_tick(state, stimulus)
        case InitEnded():
            return _init_ended(state, stimulus)
        case CooledDown():
            return (replace(state, warm=False, cooling=False) if state.cooling else state), []
        case StopAsked(now_s):
            return begin_stop(replace(state, asked_to_stop=True), now_s)
        case PilotBroken(now_s, error, gone):
            return begin_stop(replace(state, fatal=state.fatal or error, is_closed=state.is_closed or gone), now_s)


def wake_at(state: PilotState) -> float | None:
    """Return the time at which the next `Tick` is due, in seconds like `now_s` of the stimuli.

    Return None if time alone changes nothing.
    """
    due: list[float] = []
    if state.until_s is not None:
        due.append(state.until_s)
    if state.policy.ends_s is not None and not state.time_up and state.stage is not Stage.OVER:
        due.append(state.policy.ends_s)
    if state.stage is Stage.LISTENING and (at_s := retires_at(state)) is not None:
        due.append(at_s)
    if state.away_since_s is not None:
        due.append(state.ticked_s + _AWAY_CHECK_S)
    elif state.stage is Stage.LISTENING:
        if state.aside_until_s is not None:
            due.append(state.aside_until_s)
        elif state.is_empty:
            due.append(_find_idle_end(state))
        if (at_s := verdict_due_at(state)) is not None:
            due.append(at_s)
        if _has_blocked_events(state) and state.full_since_s is not None:
            due.append(state.full_since_s + 2 * LONG_S)
    return min(due, default=None)


def _has_blocked_events(state: PilotState) -> bool:
    """Return whether events wait here because all slots are busy. Return False if the user has set a prefetch."""
    return bool(state.waiting) and state.full_since_s is not None and state.policy.prefetch is None


def _find_idle_end(state: PilotState) -> float:
    policy = state.policy
    return state.quiet_since_s + (policy.idle_timeout_s if state.seen_any else policy.first_timeout_s)


def _begin_listening(state: PilotState, now_s: float) -> Step:
    """Begin to take events. A source takes no events and runs its task once."""
    if state.policy.source:
        run = HeldEvent(key=0, event_id=EventId(""), attempt=1, queue="", live=False)
        state = replace(state, stage=Stage.DRAINING, running={0: run}, ready_s=now_s)
        return report_status(state, PilotStatus.TASKING, [Start(0)])
    n = choose_prefetch(state.pace, state.policy.concurrency, state.policy.prefetch)
    state = replace(
        state,
        stage=Stage.LISTENING,
        listening=True,
        prefetch=n,
        quiet_since_s=now_s,
        away_since_s=now_s,
        ticked_s=now_s,
        ready_s=now_s,
        warm=state.policy.warm,
    )
    first: list[Instruction] = [WarmUp()] if state.warm else []
    return report_status(state, PilotStatus.AWAITING_FIRST_MESSAGE, [*first, Listen(n)])


def _init_ended(state: PilotState, stimulus: InitEnded) -> Step:
    state = replace(state, init_runs=False)
    if state.stage is not Stage.INIT:
        return state, []
    if stimulus.failure is not None:
        failure = stimulus.failure
        state = replace(state, stage=Stage.DRAINING, fatal=failure.signature, traceback=failure.traceback)
        return replace(state, is_bad=state.policy.judges_worker), []
    return _begin_listening(state, stimulus.now_s)


def _record_loss(state: PilotState, stimulus: SubscriptionLost) -> Step:
    """Mark the queue's deliveries as lost. Forget events that wait, have an open verdict, or become dead letters."""
    queue, now_s = stimulus.queue, stimulus.now_s
    forgotten = [held.key for held in state.waiting if held.queue == queue]
    # The broker delivers these events again. A dead letter published now would be followed by a second dead letter.
    forgotten += [
        k for k, v in state.settling.items() if v.failure is not None and not v.is_outcome and v.held.queue == queue
    ]
    forgotten += [key for key, it in state.open.items() if it.held.queue == queue]
    state = replace(
        state,
        waiting=tuple(held for held in state.waiting if held.queue != queue),
        open={key: it for key, it in state.open.items() if it.held.queue != queue},
        running={k: _mark_dead(held, queue) for k, held in state.running.items()},
        settling={
            k: replace(v, held=_mark_dead(v.held, queue)) for k, v in state.settling.items() if k not in forgotten
        },
        away_since_s=now_s if state.away_since_s is None and state.listening else state.away_since_s,
        ticked_s=now_s,
        quiet_since_s=now_s,
    )
    return state, [Settle(key, Settlement.FORGET) for key in forgotten]


def _mark_dead(held: HeldEvent, queue: str) -> HeldEvent:
    return replace(held, live=False) if held.queue == queue else held


def _handle_tick(state: PilotState, stimulus: Tick) -> Step:
    now_s = stimulus.now_s
    if stimulus.listening:
        quiet_s = now_s if state.away_since_s is not None else state.quiet_since_s
        state = replace(state, ticked_s=now_s, away_since_s=None, away_why="", quiet_since_s=quiet_s)
    else:
        since_s = now_s if state.away_since_s is None else state.away_since_s
        state = replace(state, ticked_s=now_s, away_since_s=since_s, away_why=stimulus.why or state.away_why)
    if is_time_up(state, now_s):
        return end_work(state, now_s)
    if state.stage is Stage.LISTENING and must_retire(state, now_s):
        return begin_draining(state)
    if state.stage is Stage.QUARANTINED:
        return exit_with(state, state.exit_status, []) if _is_due(state.until_s, now_s) else (state, [])
    if state.stage is Stage.DRAINING and _is_due(state.until_s, now_s):
        if (state.running or state.init_runs) and not state.killed:
            return replace(state, killed=True, until_s=now_s + SETTLE_GRACE_S), [KillAll()]
        return abandon_all(state)
    away_s = 0.0 if state.away_since_s is None else now_s - state.away_since_s
    if away_s >= state.policy.reconnect_timeout_s and not state.running and state.stage is not Stage.INIT:
        error = f"BrokerAway('no events can be taken for {away_s:.0f} s: {state.away_why or 'no connection'}')"
        return abandon_all(replace(state, fatal=state.fatal or error))
    if state.stage is Stage.LISTENING and state.away_since_s is None:
        if _is_due(verdict_due_at(state), now_s):
            return charge_events(replace(state, quiet_since_s=now_s))
        if state.aside_until_s is not None:
            return (take_events_again(state, now_s) if _is_due(state.aside_until_s, now_s) else state), []
        if state.is_empty and _is_due(_find_idle_end(state), now_s):
            return begin_draining(state)
        if (
            _has_blocked_events(state)
            and state.full_since_s is not None
            and _is_due(state.full_since_s + 2 * LONG_S, now_s)
        ):
            # An event that waits behind a long task could run on a free worker.
            returned: list[Instruction] = [settle_event(held, Settlement.RETURN) for held in state.waiting]
            state = replace(state, waiting=(), listening=False, pace=mark_long(state.pace))
            return state, [StopListening(), *returned]
    return state, []


def _is_due(at_s: float | None, now_s: float) -> bool:
    return at_s is not None and now_s >= at_s
