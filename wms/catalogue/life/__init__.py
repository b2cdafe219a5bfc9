"""The pure decisions about tasks: versions, their states, looks at sources, and what runs of builders bring."""
