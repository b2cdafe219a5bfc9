"""Send notifications: by mail, by a webhook and by services, to addresses that are allowed."""
