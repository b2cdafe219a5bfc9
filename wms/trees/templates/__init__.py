"""Templates and their nodes: read from requests, checked, stored, and given to the engine."""
