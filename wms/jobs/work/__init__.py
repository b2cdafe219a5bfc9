"""Run the nodes of jobs: publish hosts, take in outcomes, end nodes."""
