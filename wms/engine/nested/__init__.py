"""Nodes that are runs or workflows of their own: start them, look at them, cancel them."""
