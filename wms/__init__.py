"""Workflow management: keeps the state of workflows and is their only writer."""
