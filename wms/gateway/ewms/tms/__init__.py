"""The routes for a TMS that polls over REST: what it shall start and stop, and what it reports."""
