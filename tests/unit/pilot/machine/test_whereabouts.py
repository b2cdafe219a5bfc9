"""A pilot knows its site, machine, slot and number from what HTCondor, or the local pool, leaves beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.machine.whereabouts import Whereabouts, find_whereabouts

SLOT = 'Machine = "node7.example.org"\nName = "slot1_3@node7.example.org"\nGLIDEIN_ResourceName = "Desert"\nCpus = 8\n'
JOB = "ClusterId = 12\nProcId = 41\nIwd = undefined\n"


@pytest.mark.parametrize(
    ("environment", "machine_ad", "job_ad", "expected"),
    [
        ({}, "", "", Whereabouts(machine="here")),
        ({}, SLOT, JOB, Whereabouts("Desert", "node7.example.org", "slot1_3@node7.example.org", 41, 12)),
        ({"OSG_SITE_NAME": "Pole"}, 'machine="n"', "procid=0", Whereabouts("Pole", "n", "", 0)),
        ({"_EWMS_LOCAL_JOB": "7.3.1234"}, "", "", Whereabouts(machine="here", worker=3)),
        ({"_EWMS_LOCAL_JOB": "7"}, "rubbish\n=\n", "ProcId = -1", Whereabouts(machine="here")),
    ],
)
def test_what_is_told_is_found(
    environment: dict[str, str], machine_ad: str, job_ad: str, expected: Whereabouts
) -> None:
    assert find_whereabouts(environment, machine_ad=machine_ad, job_ad=job_ad, node="here") == expected


@given(st.text(), st.text(), st.text())
def test_no_text_is_too_strange(machine_ad: str, job_ad: str, mark: str) -> None:
    find_whereabouts({"_EWMS_LOCAL_JOB": mark}, machine_ad=machine_ad, job_ad=job_ad, node="here")
