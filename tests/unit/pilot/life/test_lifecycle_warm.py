"""The pilot's decisions about the containers that it keeps alive."""

from dataclasses import replace

from pilot.life.instructions import ChirpStatus, CoolDown, KillAll, LeaveProcess, Listen, StopListening, WarmUp
from pilot.life.lifecycle import advance_life, begin_life, wake_at
from pilot.life.state import Stage
from pilot.life.stimuli import CooledDown, EventArrived, InitEnded, PublishConfirmed, RunEnded, StopAsked, Tick
from schemas.fleet.statuses import PilotStatus
from tests.unit.pilot.life.test_lifecycle import FAILED, held, lived, with_policy

WARM = with_policy(warm=True, drain_grace_s=20)


def test_warm_containers_are_started_before_the_first_event_and_after_init() -> None:
    _, instructions = begin_life(WARM, 0.0)
    assert instructions[:2] == [WarmUp(), Listen(1)]
    state, instructions = begin_life(replace(WARM, has_init=True), 0.0)
    assert WarmUp() not in instructions
    _, instructions = advance_life(state, InitEnded(5.0))
    assert instructions[:2] == [WarmUp(), Listen(1)]


def test_an_idle_pilot_lets_its_warm_containers_end_before_its_last_word() -> None:
    state, instructions = lived(WARM, Tick(10.0))
    assert instructions == [StopListening(), CoolDown()]
    assert wake_at(state) == 30.0
    _, instructions = advance_life(state, CooledDown(10.1))
    assert instructions == [ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]


def test_warm_containers_that_do_not_end_are_killed_when_the_grace_is_over() -> None:
    state, _ = lived(WARM, Tick(10.0))
    assert advance_life(state, Tick(29.9))[1] == []
    _, instructions = advance_life(state, Tick(30.0))
    assert instructions == [KillAll(), ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]


def test_a_stop_gives_the_running_event_and_the_warm_containers_one_grace_together() -> None:
    state, instructions = lived(WARM, EventArrived(0.0, held(1)), StopAsked(1.0), RunEnded(9.0, 1, has_output=True))
    assert CoolDown() not in instructions
    state, instructions = advance_life(state, PublishConfirmed(9.1, 1))
    assert instructions[-1] == CoolDown()
    assert wake_at(state) == 21.0


def test_a_failed_pilot_says_so_when_its_warm_containers_have_ended() -> None:
    policy = replace(WARM, stop_on_error=True, quarantine_s=60.0)
    state, instructions = lived(policy, EventArrived(0.0, held(1)), RunEnded(0.1, 1, failure=FAILED))
    assert instructions[-1] == CoolDown()
    state, instructions = advance_life(state, CooledDown(0.2))
    assert [type(each) for each in instructions] == [ChirpStatus]
    assert state.stage is Stage.QUARANTINED
    assert advance_life(state, CooledDown(0.3))[1] == []


def test_a_stop_during_init_has_no_warm_containers_to_wait_for() -> None:
    state, _ = begin_life(replace(WARM, has_init=True), 0.0)
    state, _ = advance_life(state, StopAsked(1.0))
    _, instructions = advance_life(state, InitEnded(1.1))
    assert instructions == [ChirpStatus(PilotStatus.DONE), LeaveProcess(0)]
