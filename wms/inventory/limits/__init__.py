"""Limits: expressions that choose hosts of an inventory."""
