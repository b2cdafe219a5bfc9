"""Locate earthquakes: a step list whose second step runs a workflow of events on the workers.

    ask how many ──► gather the arrivals ──► locate each quake (a workflow) ──► write the catalogue

Run it: README.md.
"""

import math
import random
import shlex
from typing import Any

from ewms import Task, Workflow
from ewms.steps import FormGenerator, FormPage, State, StepList, begin, register_workflow, run_workflow, step, task

#: Where the stations are (km), and how fast the wave is (km/s).
STATIONS = ((0, 0), (90, 10), (20, 80), (70, 95))
SPEED = 6.0

#: The task. It finds the place from which the wave reaches each station at the same distance from its time.
LOCATE = """
import json, math, sys
quake = json.load(open(sys.argv[1]))
def measure_misfit(x, y):
    begins = [at - math.dist((x, y), station) / quake["speed"] for station, at in quake["arrivals"]]
    return max(begins) - min(begins)
x, y = min(((x, y) for x in range(101) for y in range(101)), key=lambda place: measure_misfit(*place))
json.dump({"quake": quake["quake"], "x_km": x, "y_km": y}, open(sys.argv[2], "w"))
"""


def ask_for_number(state: State) -> FormGenerator[Any]:
    class NumberPage(FormPage):
        n_quakes: int

    page = yield NumberPage
    return page.model_dump()


@step("Gather the arrivals")
def gather_arrivals(n_quakes: int) -> State:
    dice = random.Random(2026)
    quakes = []
    for n in range(n_quakes):
        place, begin_s = (dice.randint(10, 90), dice.randint(10, 90)), dice.uniform(0, 60)
        arrivals = [(station, begin_s + math.dist(place, station) / SPEED) for station in STATIONS]
        quakes.append({"quake": n, "speed": SPEED, "arrivals": arrivals, "truth": place})
    return {"quakes": quakes}


@run_workflow("Locate each quake", result_key="located")
def locate_quakes_of_day(quakes: list[dict[str, Any]]) -> tuple[Workflow, list[dict[str, Any]]]:
    locate = Task(
        image="none",
        args=f"python3 -c {shlex.quote(LOCATE)} {{{{INFILE}}}} {{{{OUTFILE}}}}",
        inputs=["arrivals"],
        outputs=["places"],
        clusters=["local"],
        n_workers=2,
        pilot={"EWMS_PILOT_INFILE_EXT": ".json", "EWMS_PILOT_OUTFILE_EXT": ".json"},
    )
    return Workflow(tasks=[locate], public=["arrivals", "places"]), quakes


@step("Write the catalogue")
def write_catalogue(located: dict[str, Any], quakes: list[dict[str, Any]]) -> State:
    found = sorted(located["results"], key=lambda place: place["quake"])
    off = [math.dist((place["x_km"], place["y_km"]), quakes[place["quake"]]["truth"]) for place in found]
    return {"catalogue": found, "worst_error_km": round(max(off), 2)}


@task("Locate the quakes of a day", initial_input_form=ask_for_number)
def locate_quakes() -> StepList:
    return begin >> gather_arrivals >> locate_quakes_of_day >> write_catalogue


register_workflow(name="locate_quakes", target="SYSTEM", description="Locate the quakes of a day", tag="Quakes")
