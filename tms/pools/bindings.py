"""Run HTCondor's bindings in a separate process: one JSON line in, one out. `python -m tms.pools.bindings`

The bindings hold Python's global lock while they wait for a schedd. So a thread for them would stop TMS's event loop:
with 25.14, a schedd that was away for eight seconds stopped the loop for eight seconds. TMS can also kill a process if
the schedd never answers. And a submit description can name variables of the environment, so this process's environment
has none of TMS's secrets. If the bindings released the lock, a thread would be enough.

    {"call": "query", "constraint": "…", "projection": […]}    {"result": [{…}, …]}
    {"call": "submit", "commands": {…}, "count": 40}           {"result": {"cluster_id": 7, "n_jobs": 40}}
    {"call": "act", "action": "Release", "constraint": "…"}    {"result": {"TotalSuccess": 1, …}}
    {"call": "unmatched", "constraint": "…"}                   {"result": {"TF-…": "no slot offers …", …}}
    {"call": "edit", "constraint": "…", "values": {…}}         {"result": 4}
    {"call": "others", "constraint": "…", "machines": […]}     {"result": true}
                                                               {"error": "…", "kind": "refused" | "unavailable"}
"""

import ctypes
import json
import os
import random
import re
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any, TextIO

import classad2
import htcondor2

from tms.pools.slot_matching import SlotResources, drop_avoidance, explain_requirements, explain_size, split_conjuncts

#: The attributes of a job that a comparison needs. Free size of a slot -> the attribute with its total.
_NEEDED = ["EWMSTaskforceUUID", "Requirements", "RequestCpus", "RequestMemory", "RequestDisk"]
_TOTALS = {"Cpus": "TotalSlotCpus", "Memory": "TotalSlotMemory", "Disk": "TotalSlotDisk"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: A comparison of many kinds of jobs with a large pool stops after this time, because other calls wait. It takes the
#: kinds in random order, so each kind has its turn in one of the comparisons.
_PATIENCE_S = 5.0

#: `prctl` option: the signal that the kernel sends to this process when its parent has died.
_PR_SET_PDEATHSIG = 1


class CallRefused(Exception):
    """HTCondor refused this call. Another call may succeed."""


class Bindings:
    """Calls the schedd named `schedd` at the collector `collector`.

    If `schedd` is empty, the pool must have one schedd only. If `collector` is empty, HTCondor's configuration names
    it.
    """

    def __init__(self, *, collector: str, schedd: str) -> None:
        self._collector = collector
        self._name = schedd
        self._schedd: htcondor2.Schedd | None = None

    def answer_lines(self, requests: TextIO, answers: TextIO) -> None:
        """Answer each line of `requests` with a line in `answers`, until `requests` ends."""
        for line in requests:
            answers.write(json.dumps(self._answer_call(json.loads(line))) + "\n")
            answers.flush()

    def _answer_call(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            schedd = self._locate_schedd()
            match request["call"]:
                case "query":
                    return {"result": self._query_ads(schedd, request["constraint"], request["projection"])}
                case "submit":
                    return {"result": self._submit_cluster(schedd, request["commands"], request["count"])}
                case "unmatched":
                    return {"result": self._explain_unmatched(schedd, request["constraint"])}
                case "edit":
                    return {"result": self._edit_jobs(schedd, request["constraint"], request["values"])}
                case "others":
                    return {"result": self._has_others(schedd, request["constraint"], request["machines"])}
                case "act":
                    return {
                        "result": self._act_on_jobs(schedd, request["action"], request["constraint"], request["reason"])
                    }
        except CallRefused as error:
            return {"error": str(error), "kind": "refused"}
        except (htcondor2.HTCondorException, classad2.ClassAdException, KeyError, RuntimeError) as error:
            # The schedd may have restarted at another address, so look it up again.
            self._schedd = None
            return {"error": f"{type(error).__name__}: {error}", "kind": "unavailable"}
        return {"error": f"unknown call {request['call']!r}", "kind": "refused"}

    def _locate_schedd(self) -> htcondor2.Schedd:
        if self._schedd is None:
            collector = htcondor2.Collector(self._collector or None)
            # `locate` without a name looks for the address file of a local daemon, and a client has none.
            ads = collector.locateAll(htcondor2.DaemonType.Schedd)
            ads = [ad for ad in ads if ad["Name"] == self._name] if self._name else ads
            if len(ads) != 1:
                raise RuntimeError(f"the collector knows {len(ads)} schedds named {self._name or 'anything'!r}")
            self._schedd = htcondor2.Schedd(ads[0])
        return self._schedd

    def _query_ads(self, schedd: htcondor2.Schedd, constraint: str, projection: list[str]) -> list[dict[str, Any]]:
        # A paused factory has only its cluster's ad, and a query returns that only with this option.
        ads = schedd.query(constraint, projection, opts=htcondor2.QueryOpts.IncludeClusterAd)
        return [{name: ad[name] for name in projection if name in ad} for ad in ads]

    def _submit_cluster(self, schedd: htcondor2.Schedd, commands: dict[str, str], count: int) -> dict[str, int]:
        try:
            classad2.ExprTree(commands.get("requirements", "true"))
        except classad2.ClassAdException as error:
            raise CallRefused(f"requirements: not a ClassAd expression: {commands['requirements']}") from error
        try:
            result = schedd.submit(htcondor2.Submit(commands), count=count)
        except (htcondor2.HTCondorException, ValueError, TypeError) as error:
            # The bindings raise one exception for everything. If the schedd still answers, it has refused the submit.
            schedd.query("false", ["ClusterId"])
            raise CallRefused(" ".join(str(error).split())) from error
        return {"cluster_id": result.cluster(), "n_jobs": result.num_procs()}

    def _explain_unmatched(self, schedd: htcondor2.Schedd, constraint: str) -> dict[str, str]:
        clusters = schedd.query(constraint, _NEEDED, opts=htcondor2.QueryOpts.IncludeClusterAd)
        texts = {str(ad.lookup("Requirements")) for ad in clusters}
        parts = {text: drop_avoidance(split_conjuncts(text)) for text in texts}
        empty = self._empty_slots(clusters)
        why: dict[tuple[SlotResources, str], str] = {}
        until = time.monotonic() + _PATIENCE_S
        unmatched = {}
        for ad in random.sample(clusters, len(clusters)):
            key = _job_resources(ad), str(ad.lookup("Requirements"))
            if key not in why and time.monotonic() < until:
                why[key] = explain_size(key[0], [_slot_resources(slot) for slot in empty])
                if not why[key]:
                    why[key] = explain_requirements(
                        parts[key[1]], [_find_met(ad, slot, parts[key[1]]) for slot in empty]
                    )
            if why.get(key):
                unmatched[str(ad["EWMSTaskforceUUID"])] = why[key]
        return unmatched

    def _empty_slots(self, clusters: Sequence[classad2.ClassAd], where: str = "true") -> list[classad2.ClassAd]:
        """Return the ads of the pool's slots with the sizes of empty slots. `where` is a further condition on the
        slots.

        The ads have the attributes that the requirements of `clusters` use.
        """
        referred = {name for ad in clusters for name in ad.externalRefs(ad.lookup("Requirements"))}
        names = {name.rpartition(".")[2] for name in referred}
        slots = htcondor2.Collector(self._collector or None).query(
            htcondor2.AdType.Startd,
            # A dynamic slot is a part of a partitionable slot, which has the totals.
            constraint=f'SlotType =!= "Dynamic" && ({where})',
            projection=sorted({*_TOTALS.values(), *(name for name in names if _NAME.fullmatch(name))}),
        )
        return [_empty_slot(slot) for slot in slots]

    def _has_others(self, schedd: htcondor2.Schedd, constraint: str, machines: list[str]) -> bool:
        clusters = schedd.query(constraint, _NEEDED, opts=htcondor2.QueryOpts.IncludeClusterAd)
        names = ", ".join(classad2.quote(machine) for machine in machines)
        slots = self._empty_slots(clusters, f"!member(Machine, {{{names}}})")
        for ad in clusters:
            need, clauses = _job_resources(ad), drop_avoidance(split_conjuncts(str(ad.lookup("Requirements"))))
            if any(_slot_resources(slot).can_hold(need) and all(_find_met(ad, slot, clauses)) for slot in slots):
                return True
        return False

    def _edit_jobs(self, schedd: htcondor2.Schedd, constraint: str, values: dict[str, str]) -> int:
        # The bindings edit the jobs that match a constraint. They cannot edit the ad of a cluster.
        for name, value in values.items():
            schedd.edit(constraint, name, value)
        return len(values)

    def _act_on_jobs(self, schedd: htcondor2.Schedd, action: str, constraint: str, reason: str) -> dict[str, int]:
        # HTCondor drops a reason that is plain text, and keeps one that comes with a code.
        result = schedd.act(htcondor2.JobAction[action], constraint, reason=(reason, 0))
        return {name: int(result[name]) for name in ("TotalSuccess", "TotalError", "TotalPermissionDenied")}


def _empty_slot(slot: classad2.ClassAd) -> classad2.ClassAd:
    """Set the free sizes in a slot's ad to the slot's total sizes, and return the ad."""
    for name, total in _TOTALS.items():
        if total in slot:
            slot[name] = slot[total]
    return slot


def _slot_resources(slot: classad2.ClassAd) -> SlotResources:
    return SlotResources(
        _read_number(slot, "Cpus"), _read_number(slot, "Memory") * 1024**2, _read_number(slot, "Disk") * 1024
    )


def _job_resources(ad: classad2.ClassAd) -> SlotResources:
    memory, disk = _read_number(ad, "RequestMemory") * 1024**2, _read_number(ad, "RequestDisk") * 1024
    return SlotResources(_read_number(ad, "RequestCpus"), memory, disk)


def _read_number(ad: classad2.ClassAd, name: str) -> float:
    value = ad.eval(name) if name in ad else 0
    return float(value) if isinstance(value, int | float) else 0.0


def _find_met(job: classad2.ClassAd, slot: classad2.ClassAd, clauses: Sequence[str]) -> list[bool]:
    """Return whether `slot` meets each of `clauses`. The clauses are parts of the job's requirements."""
    # A name without a scope means the job's attribute, or else the slot's. The bindings do not look there themselves.
    scope = classad2.ClassAd()
    scope.update(slot)
    scope.update(job)
    return [classad2.ExprTree(clause).eval(scope, slot) is True for clause in clauses]


def main() -> None:
    """Answer the lines of standard input until it closes. The process dies with its parent, even during a call."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # HTCondor's library may print to stdout. So the answers go to a copy of stdout, and stdout becomes stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    collector, schedd = sys.argv[1:]
    Bindings(collector=collector, schedd=schedd).answer_lines(sys.stdin, answers)


if __name__ == "__main__":
    main()
