"""Count what is in the database, for the gauges: workflows, taskforces, workers, runs and step workers."""
