"""The routes of workflows with their tasks, taskforces and workers' logs: request, look, follow, end."""
