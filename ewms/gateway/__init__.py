"""Reach the gateway: find its address, find the user's token, call it over HTTP."""
