"""Flows on the server: runs of flow definitions, with the statuses, documents and errors of the dialect "tiuni"."""
