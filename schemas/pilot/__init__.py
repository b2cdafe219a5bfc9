"""The pilot's variables and exit statuses, which all processes share."""
