"""Say how a workflow stands, and why. WMS and the client use the same rules and the same texts."""
