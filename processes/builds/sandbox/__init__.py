"""Run other people's code for a build: it sees few files, has no network unless allowed, and ends at its limits."""
