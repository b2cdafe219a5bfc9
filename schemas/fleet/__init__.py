"""Workflows, tasks, taskforces and queues: the objects that users get, and the documents that services store."""
