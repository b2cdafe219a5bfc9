"""Runs of graphs: flows, processes of step lists, and the subscriptions that they change."""
