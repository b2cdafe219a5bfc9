"""Containers on the worker: what they may see and use, how they run, and what they leave behind."""
