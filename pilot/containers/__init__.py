"""Run containers on the worker: limit their files and memory, start and end them, and clean up after them."""
