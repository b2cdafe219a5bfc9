"""The pilot's decisions about the containers that it keeps alive."""

from dataclasses import replace

from pilot.life.instructions import CoolDown, Exit, KillAll, Listen, Report, StopListening, WarmUp
from pilot.life.lifecycle import advance, begin, wake_at
from pilot.life.state import Stage
from pilot.life.stimuli import Arrived, Confirmed, Cooled, Ended, InitEnded, StopAsked, Tick
from schemas.statuses import PilotStatus
from tests.unit.pilot.life.test_lifecycle import FAILED, held, lived, with_policy

WARM = with_policy(warm=True, drain_grace_s=20)


def test_warm_containers_are_started_before_the_first_event_and_after_init() -> None:
    _, instructions = begin(WARM, 0.0)
    assert instructions[:2] == [WarmUp(), Listen(1)]
    state, instructions = begin(replace(WARM, has_init=True), 0.0)
    assert WarmUp() not in instructions
    _, instructions = advance(state, InitEnded(5.0))
    assert instructions[:2] == [WarmUp(), Listen(1)]


def test_an_idle_pilot_lets_its_warm_containers_end_before_its_last_word() -> None:
    state, instructions = lived(WARM, Tick(10.0))
    assert instructions == [StopListening(), CoolDown()]
    assert wake_at(state) == 30.0
    _, instructions = advance(state, Cooled(10.1))
    assert instructions == [Report(PilotStatus.DONE), Exit(0)]


def test_warm_containers_that_do_not_end_are_killed_when_the_grace_is_over() -> None:
    state, _ = lived(WARM, Tick(10.0))
    assert advance(state, Tick(29.9))[1] == []
    _, instructions = advance(state, Tick(30.0))
    assert instructions == [KillAll(), Report(PilotStatus.DONE), Exit(0)]


def test_a_stop_gives_the_running_event_and_the_warm_containers_one_grace_together() -> None:
    state, instructions = lived(WARM, Arrived(0.0, held(1)), StopAsked(1.0), Ended(9.0, 1, has_output=True))
    assert CoolDown() not in instructions
    state, instructions = advance(state, Confirmed(9.1, 1))
    assert instructions[-1] == CoolDown()
    assert wake_at(state) == 21.0


def test_a_failed_pilot_says_so_when_its_warm_containers_have_ended() -> None:
    policy = replace(WARM, stop_on_error=True, quarantine_s=60.0)
    state, instructions = lived(policy, Arrived(0.0, held(1)), Ended(0.1, 1, failure=FAILED))
    assert instructions[-1] == CoolDown()
    state, instructions = advance(state, Cooled(0.2))
    assert [type(each) for each in instructions] == [Report]
    assert state.stage is Stage.QUARANTINED
    assert advance(state, Cooled(0.3))[1] == []


def test_a_stop_during_init_has_no_warm_containers_to_wait_for() -> None:
    state, _ = begin(replace(WARM, has_init=True), 0.0)
    state, _ = advance(state, StopAsked(1.0))
    _, instructions = advance(state, InitEnded(1.1))
    assert instructions == [Report(PilotStatus.DONE), Exit(0)]
