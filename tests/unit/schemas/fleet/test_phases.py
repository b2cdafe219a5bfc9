from schemas.fleet.phases import LEGAL_MOVES, WANTED, Phase, may_move


def test_every_phase_has_its_row() -> None:
    assert set(LEGAL_MOVES) == set(Phase)


def test_complete_is_absorbing_and_reachable_from_everywhere() -> None:
    assert not LEGAL_MOVES[Phase.CONDOR_COMPLETE]
    for start in Phase:
        seen, frontier = {start}, [start]
        while frontier:
            frontier = [nxt for phase in frontier for nxt in LEGAL_MOVES[phase] if nxt not in seen]
            seen.update(frontier)
        assert Phase.CONDOR_COMPLETE in seen


def test_no_walk_returns_to_a_phase_it_has_left() -> None:
    def walk(path: tuple[Phase, ...]) -> None:
        for nxt in LEGAL_MOVES[path[-1]]:
            assert nxt not in path
            walk((*path, nxt))

    for start in Phase:
        walk((start,))


def test_whoever_is_wanted_can_be_stopped_and_nobody_comes_back() -> None:
    for phase in Phase:
        assert may_move(phase, Phase.PENDING_STOPPER) == (phase in WANTED)
        if phase not in WANTED:
            assert not LEGAL_MOVES[phase] & WANTED
