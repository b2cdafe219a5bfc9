"""The dialect of registered flows, below /api/v1/workflow."""
