"""The pilot's life: (state, stimulus) -> (state, instructions). (core)

    [init] -> listening -> draining -> [quarantined] -> over

An event in the pilot's hands is *waiting* for a slot, *running*, or *settling*: its task has ended, its output (or its
dead letter) is on the way to the broker, and the slot is free again. It is acknowledged when the broker has confirmed
that, never before. A delivery is *live* until its queue's subscription is lost; from then on the broker gives the
event to somebody else, so a dead delivery is never settled, though its run goes on and its output is published.
"""

from dataclasses import replace

from pilot.attempts import gives_up
from pilot.errors import Failure
from pilot.instructions import (
    Adopt,
    Count,
    Exit,
    How,
    Instruction,
    KillAll,
    Listen,
    PublishDeadLetter,
    PublishOutput,
    Report,
    RunInit,
    Settle,
    Start,
    StopListening,
)
from pilot.lookahead import LONG_S, long, paced, prefetch
from pilot.state import Policy, Settling, Stage, State
from pilot.stimuli import Arrived, Broke, Confirmed, Ended, Held, InitEnded, Lost, Refused, Stimulus, StopAsked, Tick
from schemas.ids import EventId
from schemas.statuses import PilotStatus

#: What a full queue refuses is offered again after these seconds, the last one for ever.
_OFFER_AGAIN_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)

#: What was finished before a stop gets this much longer than the grace to reach the broker.
_SETTLE_GRACE_S = 5.0

#: While a subscription is down, how often to look whether it is back.
_AWAY_CHECK_S = 0.25

#: Distinct errors that the last word of a pilot repeats.
_MAX_ERRORS = 3


Step = tuple[State, list[Instruction]]


def begin(policy: Policy, now_s: float) -> Step:
    """Return the first state of a pilot, and what it does first."""
    state = State(policy, Stage.INIT, quiet_since_s=now_s, ticked_s=now_s)
    if policy.has_init:
        return _reported(replace(state, init_runs=True), PilotStatus.RUNNING_INIT_COMMAND, [RunInit()])
    return _listen(state, now_s)


def advance(state: State, stimulus: Stimulus) -> Step:
    """Return `state` after `stimulus`, and what to do now."""
    if state.stage is Stage.OVER:
        late = isinstance(stimulus, Arrived)
        return state, [Settle(stimulus.held.key, How.RETURN)] if late else []  # type: ignore[union-attr] # `late` says so
    match stimulus:
        case Arrived():
            return _arrived(state, stimulus)
        case Ended():
            return _ended(state, stimulus)
        case Confirmed():
            return _confirmed(state, stimulus)
        case Refused():
            return _refused(state, stimulus)
        case Lost():
            return _lost(state, stimulus)
        case Tick():
            return _tick(state, stimulus)
        case InitEnded():
            return _init_ended(state, stimulus)
        case StopAsked(now_s):
            return _stop(replace(state, asked_to_stop=True), now_s)
        case Broke(now_s, error):
            return _stop(replace(state, fatal=state.fatal or error), now_s)


def wake_at(state: State) -> float | None:
    """Return when a `Tick` is due, if no other stimulus comes before."""
    due: list[float] = []
    if state.until_s is not None:
        due.append(state.until_s)
    if state.away_since_s is not None:
        due.append(state.ticked_s + _AWAY_CHECK_S)
    elif state.stage is Stage.LISTENING:
        if state.empty:
            due.append(_idle_at(state))
        if _waits_in_vain(state) and state.full_since_s is not None:
            due.append(state.full_since_s + 2 * LONG_S)
    return min(due, default=None)


def _waits_in_vain(state: State) -> bool:
    """Return whether events wait here because all slots are busy, and not because the user wants them to."""
    return bool(state.waiting) and state.full_since_s is not None and state.policy.prefetch is None


def _idle_at(state: State) -> float:
    policy = state.policy
    return state.quiet_since_s + (policy.idle_timeout_s if state.seen_any else policy.first_timeout_s)


def _listen(state: State, now_s: float) -> Step:
    """Begin to take events; a source has none to take and runs its task once."""
    if state.policy.source:
        run = Held(key=0, event_id=EventId(""), attempt=1, queue="", live=False)
        state = replace(state, stage=Stage.DRAINING, running={0: run})
        return _reported(state, PilotStatus.TASKING, [Start(0)])
    n = prefetch(state.pace, state.policy.concurrency, state.policy.prefetch)
    state = replace(
        state,
        stage=Stage.LISTENING,
        listening=True,
        prefetch=n,
        quiet_since_s=now_s,
        away_since_s=now_s,
        ticked_s=now_s,
    )
    return _reported(state, PilotStatus.AWAITING_FIRST_MESSAGE, [Listen(n)])


def _init_ended(state: State, stimulus: InitEnded) -> Step:
    state = replace(state, init_runs=False)
    if state.stage is not Stage.INIT:
        return _finished(state, stimulus.now_s, [])
    if stimulus.failure is not None:
        failure = stimulus.failure
        state = replace(state, stage=Stage.DRAINING, fatal=str(failure), traceback=failure.traceback)
        return _finished(state, stimulus.now_s, [])
    return _listen(state, stimulus.now_s)


def _arrived(state: State, stimulus: Arrived) -> Step:
    held = stimulus.held
    if state.stage is not Stage.LISTENING or not state.listening:
        return state, [Settle(held.key, How.RETURN)]
    state = replace(state, seen_any=True)
    if held.event_id:
        for key, run in state.running.items():
            if not run.live and run.event_id == held.event_id:
                adopted = replace(held, key=key)
                return replace(state, running={**state.running, key: adopted}), [Adopt(key, held.key)]
        for key, item in state.settling.items():
            if not item.held.live and item.held.event_id == held.event_id:
                item = replace(item, held=replace(held, key=key))
                return replace(state, settling={**state.settling, key: item}), [Adopt(key, held.key)]
    return _started(replace(state, waiting=(*state.waiting, held)), stimulus.now_s, [])


def _started(state: State, now_s: float, instructions: list[Instruction]) -> Step:
    """Fill the free slots from what waits."""
    n = min(state.policy.concurrency - len(state.running), len(state.waiting))
    if n <= 0:
        return state, instructions
    running = {**state.running, **{held.key: held for held in state.waiting[:n]}}
    full = now_s if len(running) == state.policy.concurrency else None
    instructions += [Start(held.key) for held in state.waiting[:n]]
    state = replace(state, running=running, waiting=state.waiting[n:], full_since_s=full)
    return _reported(state, PilotStatus.TASKING, instructions)


def _ended(state: State, stimulus: Ended) -> Step:
    now_s, key = stimulus.now_s, stimulus.key
    if key not in state.running:
        return state, []
    held = state.running[key]
    running = {k: v for k, v in state.running.items() if k != key}
    pace = state.pace if stimulus.interrupted else paced(state.pace, stimulus.took_s)
    state = replace(state, running=running, pace=pace, full_since_s=None, quiet_since_s=now_s)
    instructions: list[Instruction] = []
    if stimulus.interrupted:
        instructions.append(_settled(held, How.RETURN))
    elif stimulus.failure is not None:
        state, instructions = _failed(state, held, stimulus.failure, now_s)
    elif stimulus.has_output:
        state = replace(state, settling={**state.settling, key: Settling(held)})
        instructions.append(PublishOutput(key))
    else:
        state, instructions = _succeeded(state, held)
    return _onward(state, now_s, instructions)


def _succeeded(state: State, held: Held) -> Step:
    state = replace(state, n_success=state.n_success + 1, failed_in_a_row=())
    return state, [_settled(held, How.ACK), Count(state.n_failed, state.n_success)]


def _failed(state: State, held: Held, failure: Failure, now_s: float) -> Step:
    """Count the failure, decide about its event, and stop if that is the policy."""
    policy = state.policy
    text = str(failure)
    errors = state.errors if text in state.errors else (*state.errors, text)[:_MAX_ERRORS]
    okay = bool(policy.okay_errors & {failure.type, failure.aka})
    row = state.failed_in_a_row
    # The same event failing again says something of the event; different ones, of this worker.
    if not okay and (held.event_id or str(held.key)) not in row:
        row = (*row, held.event_id or EventId(str(held.key)))
    state = replace(state, n_failed=state.n_failed + 1, errors=errors, failed_in_a_row=row, traceback=failure.traceback)
    instructions: list[Instruction] = [Count(state.n_failed, state.n_success, failure)]
    if held.live and gives_up(failure, held.attempt):
        state = replace(state, settling={**state.settling, held.key: Settling(held, failure)})
        instructions.append(PublishDeadLetter(held.key, failure, held.attempt))
    else:
        instructions.append(_settled(held, How.REJECT))
    bad_worker = 0 < policy.max_failures_in_a_row <= len(row)
    if state.stage is Stage.LISTENING and not okay and (policy.stop_on_error or bad_worker):
        state, more = _drained(state)
        instructions += more
    return state, instructions


def _confirmed(state: State, stimulus: Confirmed) -> Step:
    if stimulus.key not in state.settling:
        return state, []
    item = state.settling[stimulus.key]
    state = _without_settling(state, stimulus.key, stimulus.now_s)
    if item.failure is None:
        state, instructions = _succeeded(state, item.held)
    else:
        instructions = [_settled(item.held, How.ACK)]
    return _onward(state, stimulus.now_s, instructions)


def _refused(state: State, stimulus: Refused) -> Step:
    key = stimulus.key
    if key not in state.settling:
        return state, []
    item = state.settling[key]
    if stimulus.passing:
        after_s = _OFFER_AGAIN_S[min(item.n_refused, len(_OFFER_AGAIN_S) - 1)]
        again = replace(item, n_refused=item.n_refused + 1)
        state = replace(state, settling={**state.settling, key: again})
        if item.failure is not None:
            return state, [PublishDeadLetter(key, item.failure, item.held.attempt, after_s)]
        return state, [PublishOutput(key, after_s)]
    state = _without_settling(state, key, stimulus.now_s)
    if item.failure is not None:
        return _onward(state, stimulus.now_s, [_settled(item.held, How.DISCARD)])
    state, instructions = _failed(state, item.held, stimulus.failure, stimulus.now_s)
    return _onward(state, stimulus.now_s, instructions)


def _without_settling(state: State, key: int, now_s: float) -> State:
    return replace(state, settling={k: v for k, v in state.settling.items() if k != key}, quiet_since_s=now_s)


def _lost(state: State, stimulus: Lost) -> Step:
    """Mark every delivery of the queue dead; forget those for which nothing was done yet."""
    queue, now_s = stimulus.queue, stimulus.now_s
    forgotten = [held.key for held in state.waiting if held.queue == queue]
    # A dead letter would be written a second time when its event comes again.
    forgotten += [k for k, v in state.settling.items() if v.failure is not None and v.held.queue == queue]
    state = replace(
        state,
        waiting=tuple(held for held in state.waiting if held.queue != queue),
        running={k: _dead(held, queue) for k, held in state.running.items()},
        settling={k: replace(v, held=_dead(v.held, queue)) for k, v in state.settling.items() if k not in forgotten},
        away_since_s=now_s if state.away_since_s is None and state.listening else state.away_since_s,
        ticked_s=now_s,
        quiet_since_s=now_s,
    )
    return _onward(state, now_s, [Settle(key, How.FORGET) for key in forgotten])


def _dead(held: Held, queue: str) -> Held:
    return replace(held, live=False) if held.queue == queue else held


def _tick(state: State, stimulus: Tick) -> Step:
    now_s = stimulus.now_s
    if stimulus.listening:
        quiet_s = now_s if state.away_since_s is not None else state.quiet_since_s
        state = replace(state, ticked_s=now_s, away_since_s=None, away_why="", quiet_since_s=quiet_s)
    else:
        since_s = now_s if state.away_since_s is None else state.away_since_s
        state = replace(state, ticked_s=now_s, away_since_s=since_s, away_why=stimulus.why or state.away_why)
    if state.stage is Stage.QUARANTINED:
        return _exited(state, 1, []) if _due(state.until_s, now_s) else (state, [])
    if state.stage is Stage.DRAINING and _due(state.until_s, now_s):
        if (state.running or state.init_runs) and not state.killed:
            return replace(state, killed=True, until_s=now_s + _SETTLE_GRACE_S), [KillAll()]
        return _abandoned(state, now_s)
    away_s = 0.0 if state.away_since_s is None else now_s - state.away_since_s
    if away_s >= state.policy.reconnect_timeout_s and not state.running and state.stage is not Stage.INIT:
        error = f"BrokerAway('no events can be taken for {away_s:.0f} s: {state.away_why or 'no connection'}')"
        return _abandoned(replace(state, fatal=state.fatal or error), now_s)
    if state.stage is Stage.LISTENING and state.away_since_s is None:
        if state.empty and _due(_idle_at(state), now_s):
            state, instructions = _drained(state)
            return _finished(state, now_s, instructions)
        if _waits_in_vain(state) and state.full_since_s is not None and _due(state.full_since_s + 2 * LONG_S, now_s):
            # What waits behind a long task is kept from workers that are free.
            returned: list[Instruction] = [_settled(held, How.RETURN) for held in state.waiting]
            state = replace(state, waiting=(), listening=False, pace=long(state.pace))
            return state, [StopListening(), *returned]
    return state, []


def _due(at_s: float | None, now_s: float) -> bool:
    return at_s is not None and now_s >= at_s


def _stop(state: State, now_s: float) -> Step:
    """Take no more; what runs has the grace to end."""
    if state.stage is Stage.QUARANTINED:
        return _exited(state, 1, [])
    deadline_s = now_s + state.policy.drain_grace_s
    if state.stage is Stage.INIT:
        state = replace(state, stage=Stage.DRAINING, killed=True, until_s=now_s + _SETTLE_GRACE_S)
        return _finished(state, now_s, [KillAll()])
    until_s = deadline_s if state.until_s is None else state.until_s
    instructions: list[Instruction] = []
    if state.stage is Stage.LISTENING:
        state, instructions = _drained(state)
    return _finished(replace(state, until_s=until_s), now_s, instructions)


def _drained(state: State) -> Step:
    """Take nothing more, give back what was not started, go on with what runs."""
    instructions: list[Instruction] = [StopListening()] if state.listening else []
    instructions += [_settled(held, How.RETURN) for held in state.waiting]
    state = replace(state, stage=Stage.DRAINING, waiting=(), listening=False, full_since_s=None)
    if not state.empty:
        return _reported(state, PilotStatus.PENDING_REMAINING_TASKS, instructions)
    return state, instructions


def _abandoned(state: State, now_s: float) -> Step:
    """Let go of everything: time is up. Whatever is not confirmed goes back to its queue."""
    held = (*state.waiting, *state.running.values(), *(item.held for item in state.settling.values()))
    instructions: list[Instruction] = [KillAll()] if state.running or state.init_runs else []
    # A quarantine may follow, and a broker that is back by then would lend what is given back, without end.
    instructions += [StopListening()] if state.listening else []
    instructions += [_settled(item, How.RETURN) for item in held]
    state = replace(state, stage=Stage.DRAINING, waiting=(), running={}, settling={}, init_runs=False, listening=False)
    return _finished(state, now_s, instructions)


def _onward(state: State, now_s: float, instructions: list[Instruction]) -> Step:
    """Go on after an event left a slot or the pilot."""
    if state.stage is Stage.DRAINING:
        return _finished(state, now_s, instructions)
    if state.stage is not Stage.LISTENING:
        return state, instructions
    n = prefetch(state.pace, state.policy.concurrency, state.policy.prefetch)
    if (not state.listening or n != state.prefetch) and len(state.running) < state.policy.concurrency:
        state = replace(state, listening=True, prefetch=n)
        instructions.append(Listen(n))
    return _started(state, now_s, instructions)


def _finished(state: State, now_s: float, instructions: list[Instruction]) -> Step:
    """End the pilot once its hands are empty."""
    if not state.empty:
        return state, instructions
    error = state.fatal
    if not error and state.n_failed and not state.asked_to_stop:
        error = f"RuntimeError: {state.n_failed} TASK(S) FAILED: {', '.join(state.errors)}"
    if not error:
        state, instructions = _reported(state, PilotStatus.DONE, instructions)
        return _exited(state, 0, instructions)
    instructions.append(Report(PilotStatus.FATAL_ERROR, error, state.traceback))
    if state.policy.quarantine_s and not state.asked_to_stop:
        state = replace(state, stage=Stage.QUARANTINED, until_s=now_s + state.policy.quarantine_s, away_since_s=None)
        return state, instructions
    return _exited(state, 1, instructions)


def _exited(state: State, status: int, instructions: list[Instruction]) -> Step:
    return replace(state, stage=Stage.OVER, until_s=None, away_since_s=None), [*instructions, Exit(status)]


def _settled(held: Held, how: How) -> Settle:
    return Settle(held.key, how if held.live else How.FORGET)


def _reported(state: State, status: PilotStatus, instructions: list[Instruction]) -> Step:
    """Add a report, unless it was the last one already."""
    if state.reported is status:
        return state, instructions
    return replace(state, reported=status), [*instructions, Report(status)]
