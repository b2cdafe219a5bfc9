"""The demonstration, with fewer events: both tasks, the second in a real image, on the real pool."""

from deploy.demo.image import build_image
from deploy.demo.tracks import build_workflow, sample_events
from deploy.demo.traffic import run_workflow
from deploy.local.choices.launch_options import LOCATION
from deploy.local.fetch.cache import Installed
from deploy.local.system.services import images_directory
from deploy.local.system.stack import Stack
from ewms import AsyncClient
from ewms.workflows.progress import Progress

N = 24


async def test_every_track_comes_back_refined(stack: Stack, installed: Installed) -> None:
    shown: list[Progress] = []
    image = build_image(installed, images_directory(stack.services.run) / "tracks")
    async with AsyncClient(stack.gateway, token=stack.token) as ews:
        traffic = await run_workflow(ews, build_workflow(image, LOCATION), sample_events(N), shown.append)
    assert traffic.is_complete
    assert {result["event"] for result in traffic.results} == set(range(N))
    assert sum(r["refine"]["error_deg"] < r["linefit"]["error_deg"] for r in traffic.results) > 0.8 * N
    assert traffic.final is not None
    assert traffic.final.over
    assert 0 < traffic.post_to_submitted_s < 60
    assert {progress.phase for progress in shown} >= {"running", "done"}
