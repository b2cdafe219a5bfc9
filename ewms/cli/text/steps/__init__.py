"""Processes of step lists, flows and forms as text."""
