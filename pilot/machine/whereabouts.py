"""Find out where a pilot runs: the site, the machine, the slot, and the worker's number in its taskforce. (core)

HTCondor writes the slot's ad and the job's ad into files, and names these files in the job's environment. The local
pool marks its jobs with `<cluster>.<proc>.<pid>`.

Source: HTCondor manual, "Services for Running Jobs": `_CONDOR_MACHINE_AD`, `_CONDOR_JOB_AD`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.pilot.job_names import JOB_CHARGES, LOCAL_CHARGES, LOCAL_JOB

MACHINE_AD = "_CONDOR_MACHINE_AD"
JOB_AD = "_CONDOR_JOB_AD"

#: Where the site's name may be, the best first: attributes of the slot's ad, then variables.
_SITE_ATTRIBUTES = ("GLIDEIN_ResourceName", "GLIDEIN_Site", "SiteName", "Site")
_SITE_VARIABLES = ("OSG_SITE_NAME", "GLIDEIN_Site")

_LINE = re.compile(r'\s*(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([-+\w.]+))\s*$')
_MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a pilot runs. A field that is unknown is empty or None."""

    site: str = ""
    machine: str = ""
    slot: str = ""
    worker: int | None = None
    #: The number of the HTCondor cluster to which this job belongs.
    cluster: int | None = None


def find_whereabouts(environment: Mapping[str, str], *, machine_ad: str, job_ad: str, node: str) -> Whereabouts:
    """Return where the pilot runs, from its environment, the texts of both ads, and `node`, the machine's own name."""
    slot, job = _parse_attributes(machine_ad), _parse_attributes(job_ad)
    sites = [slot.get(name.lower(), "") for name in _SITE_ATTRIBUTES]
    sites += [environment.get(name, "") for name in _SITE_VARIABLES]
    _, _, local = environment.get(LOCAL_JOB, "").partition(".")
    return Whereabouts(
        site=next((site for site in sites if site), ""),
        machine=slot.get("machine") or node,
        slot=slot.get("name", ""),
        worker=_parse_number(job.get("procid") or local.partition(".")[0]),
        cluster=_parse_number(job.get("clusterid", "")),
    )


def read_charges(environment: Mapping[str, str], job_ad: str) -> bool:
    """Return whether TMS has marked the task as one that fails on every worker. Each failure then counts at once."""
    return bool(environment.get(LOCAL_CHARGES)) or _parse_attributes(job_ad).get(JOB_CHARGES.lower()) == "true"


def _parse_attributes(ad: str) -> dict[str, str]:
    """Return the texts and numbers of an ad, by name in lower case, because names in ads ignore case."""
    matches = (_LINE.match(line) for line in ad.splitlines())
    return {match[1].lower(): match[2] if match[2] is not None else match[3] for match in matches if match}


def _parse_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS else None
