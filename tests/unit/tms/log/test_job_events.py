"""The parser of job event logs: on real logs beside HTCondor's own reader, on damaged ones, in any chunks."""

from collections import Counter
from datetime import datetime
from pathlib import Path

import htcondor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tms.log.job_events import (
    ClusterRemoved,
    ClusterSubmitted,
    EventType,
    JobEnded,
    JobEvent,
    JobHeld,
    JobMoved,
    JobRequeued,
    PilotChirped,
    parse_log,
)

DATA = Path(__file__).parents[3] / "data" / "job_event_logs"
LOGS = sorted(DATA.glob("*.log"))
REAL = LOGS[0].read_bytes()


def record(head: str, *body: str) -> bytes:
    return "".join([f"{head}\n", *(f"\t{line}\n" for line in body), "...\n"]).encode()


def in_chunks(data: bytes, sizes: list[int]) -> tuple[list[JobEvent], int]:
    """Parse `data` as a follower does that is given it in pieces."""
    events, n_corrupt, rest, start = [], 0, b"", 0
    for size in [*sizes, len(data)]:
        rest += data[start : start + size]
        start += size
        parsed = parse_log(rest)
        rest = rest[parsed.n_bytes :]
        events += parsed.events
        n_corrupt += parsed.n_corrupt
    return events, n_corrupt


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_real_logs_hold_what_htcondors_own_reader_finds_in_them(path: Path) -> None:
    theirs = list(htcondor2.JobEventLog(str(path)).events(stop_after=0))
    parsed = parse_log(path.read_bytes())
    ours = Counter(
        (e.type.value, e.proc)
        if isinstance(e, JobMoved)
        else (12, e.proc)
        if isinstance(e, JobHeld)
        else (5, e.proc)
        if isinstance(e, JobEnded)
        else (8, e.proc)
        if isinstance(e, PilotChirped)
        else (35, -1)
        if isinstance(e, ClusterSubmitted)
        else (36, -1)
        for e in parsed.events
    )
    wanted = {int(kind) for kind in EventType}
    assert ours == Counter((int(e.type), e.proc) for e in theirs if int(e.type) in wanted)
    assert parsed.n_corrupt == 0
    assert parsed.n_bytes == len(path.read_bytes())


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_codes_of_holds_and_exits_are_those_that_htcondors_own_reader_finds(path: Path) -> None:
    theirs = list(htcondor2.JobEventLog(str(path)).events(stop_after=0))
    ours = parse_log(path.read_bytes()).events
    assert [(e.proc, e.code, e.subcode) for e in ours if isinstance(e, JobHeld)] == [
        (e.proc, e["HoldReasonCode"], e["HoldReasonSubCode"])
        for e in theirs
        if e.type == htcondor2.JobEventType.JOB_HELD
    ]
    assert [(e.proc, e.exit_code) for e in ours if isinstance(e, JobEnded)] == [
        (e.proc, e["ReturnValue"]) for e in theirs if e.type == htcondor2.JobEventType.JOB_TERMINATED
    ]


def test_a_chirped_text_comes_out_as_it_went_in() -> None:
    said = 'RuntimeError: "x" \\ back\nline2'
    quoted = said.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    data = record(f'008 (007.003.000) 2026-11-21 01:30:05 HTChirpEWMSPilotError: "{quoted}"')
    assert parse_log(data).events == [PilotChirped(3, "Error", said)]


def test_a_number_is_chirped_without_quotation_marks() -> None:
    data = record("008 (007.003.000) 2026-11-21 01:30:05 HTChirpEWMSPilotTasksTotal: 12")
    assert parse_log(data).events == [PilotChirped(3, "TasksTotal", "12")]


@pytest.mark.parametrize(
    ("head", "body", "expected"),
    [
        ("000 (007.003.000) 2026-11-21 01:30:05 Job submitted", (), JobMoved(3, EventType.SUBMIT)),
        ("001 (1234567.99999.000) 2026-11-21T01:30:05.123Z Job executing", (), JobMoved(99999, EventType.EXECUTE)),
        ("007 (007.003.000) 11/21 01:30:05 Shadow exception!", (), JobMoved(3, EventType.SHADOW_EXCEPTION)),
        (
            "024 (007.003.000) 2026-11-21 01:30:05 Job reconnection failed",
            (),
            JobMoved(3, EventType.JOB_RECONNECT_FAILED),
        ),
        ("011 (007.003.000) 2026-11-21 01:30:05 Job was unsuspended.", (), JobMoved(3, EventType.JOB_UNSUSPENDED)),
        ("012 (007.003.000) 2026-11-21 01:30:05 Job was held.", ("x", "Code 34 Subcode 102"), JobHeld(3, 34, 102)),
        ("012 (007.003.000) 2026-11-21 01:30:05 Job was held.", ("no codes here",), JobHeld(3, 0, 0)),
        (
            "005 (007.003.000) 2026-11-21 01:30:05 Job terminated.",
            ("(1) Normal termination (return value 3)",),
            JobEnded(3, 3),
        ),
        (
            "005 (007.003.000) 2026-11-21 01:30:05 Job terminated.",
            ("(0) Abnormal termination (signal 9)",),
            JobEnded(3, -9),
        ),
        (
            "004 (007.003.000) 2026-11-21 01:30:05 Job was evicted.",
            ("(0) Job terminated and was requeued", "(0) Abnormal termination (signal 9)"),
            JobRequeued(3, -9),
        ),
        (
            "004 (007.003.000) 2026-11-21 01:30:05 Job was evicted.",
            ("(0) Job was not checkpointed.",),
            JobMoved(3, EventType.JOB_EVICTED),
        ),
        ("035 (007.-01.000) 2026-11-21 01:30:05 Cluster submitted", (), ClusterSubmitted(7)),
        (
            "036 (007.-01.000) 2026-11-21 01:30:05 Cluster removed",
            (),
            ClusterRemoved(7, datetime(2026, 11, 21, 1, 30, 5)),
        ),
        ("036 (007.-01.000) 11/21 01:30:05 Cluster removed", (), ClusterRemoved(7, None)),
        ("036 (007.-01.000) 2026-13-45 01:30:05 Cluster removed", (), ClusterRemoved(7, None)),
        ("028 (007.003.000) 2026-11-21 01:30:05 Job ad information event triggered.", ("Proc = 3",), None),
        ("008 (007.003.000) 2026-11-21 01:30:05 said by the job itself", (), None),
        ('008 (007.-01.000) 2026-11-21 01:30:05 HTChirpEWMSPilotStatus: "Done"', (), None),
    ],
)
def test_one_record(head: str, body: tuple[str, ...], expected: JobEvent | None) -> None:
    parsed = parse_log(record(head, *body))
    assert parsed.events == ([] if expected is None else [expected])
    assert parsed.n_corrupt == 0


def test_events_of_another_cluster_are_not_ours() -> None:
    data = record("000 (008.000.000) 2026-11-21 01:30:05 Job submitted") + record(
        "000 (007.001.000) 2026-11-21 01:30:05 Job submitted"
    )
    assert parse_log(data, cluster_id=7).events == [JobMoved(1, EventType.SUBMIT)]


def test_a_torn_tail_is_left_until_it_is_whole() -> None:
    whole = record("000 (007.000.000) 2026-11-21 01:30:05 Job submitted")
    torn = b"005 (007.000.000) 2026-11-21 01:30:07 Job termi"
    parsed = parse_log(whole + torn)
    assert (parsed.events, parsed.n_bytes) == ([JobMoved(0, EventType.SUBMIT)], len(whole))


@pytest.mark.parametrize(
    "damage",
    [
        b"005 (007.000.000) 2026-11-21 01:30:07 Job termi\n",  # the writer died, another went on
        b"028 (007.000.000) 2026-11-21 01:30:07 Job ad infor\n",
        b"\x00\x00\x00\x00\x00\n...\n",
        b"garbage\nof several\n...\n",
        b"005 (x.y.z) nothing\n...\n",
        b"005\n...\n",
        b"005 (007.99999999999999999999.000) 2026-11-21 01:30:07 Job terminated.\n...\n",
    ],
)
def test_a_corrupt_record_is_counted_and_costs_no_other(damage: bytes) -> None:
    before = record("000 (007.000.000) 2026-11-21 01:30:05 Job submitted")
    after = record("001 (007.000.000) 2026-11-21 01:30:09 Job executing on host: <h>")
    parsed = parse_log(before + damage + after)
    assert parsed.events == [JobMoved(0, EventType.SUBMIT), JobMoved(0, EventType.EXECUTE)]
    assert parsed.n_corrupt == 1
    assert parsed.n_bytes == len(before + damage + after)


def test_a_log_that_begins_with_a_record_end_is_read() -> None:
    data = b"...\n" + record("000 (007.000.000) 2026-11-21 01:30:05 Job submitted")
    events, _ = in_chunks(data, [4])
    assert events == [JobMoved(0, EventType.SUBMIT)]


@given(st.lists(st.integers(0, 5000), max_size=60))
def test_chunking_changes_nothing(sizes: list[int]) -> None:
    whole = parse_log(REAL)
    assert in_chunks(REAL, sizes) == (whole.events, whole.n_corrupt)


@given(st.binary(max_size=400), st.lists(st.integers(0, 50), max_size=20))
def test_no_bytes_stop_the_parser(data: bytes, sizes: list[int]) -> None:
    marked = data + b"\n...\n" + record("000 (007.000.000) 2026-11-21 01:30:05 Job submitted")
    events, _ = in_chunks(marked, sizes)
    assert events[-1] == JobMoved(0, EventType.SUBMIT)


@given(st.integers(0, len(REAL) - 1), st.binary(min_size=1, max_size=30))
def test_damage_anywhere_costs_at_most_the_records_it_touches(position: int, damage: bytes) -> None:
    whole = parse_log(REAL).events
    damaged = parse_log(REAL[:position] + damage + REAL[position:]).events
    lost = Counter(map(repr, whole)) - Counter(map(repr, damaged))
    assert lost.total() <= 2
