"""`python -m deploy.demo`: start everything, run the tracks, show what came out, stop everything.

POOL=condor|local      the real HTCondor pool (default), or pilots as plain child processes
REPORT=file.json       where to write the report as JSON
"""
