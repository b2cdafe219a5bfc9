"""Simulate a past workflow with other numbers of workers: the decisions of pilots and pools on a virtual clock.

    simulator ─► past_run  ─► event_flow, service_times, pilot_policy     what the report and the request tell
              └► fleet     ─► jobs ─► pilots ─► queues ─► agenda          one run on the virtual clock

These decide as in a real run: the pilot's life (`pilot.life`), its runner and its meter, the settings that TMS gives it
(`tms.jobs.pilot_files`), the restarts of jobs (`tms.jobs.restarts`), and the report's shares (`wms.insight`).
"""
