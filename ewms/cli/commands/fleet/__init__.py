"""Commands about workflows, their tasks and their workers."""
