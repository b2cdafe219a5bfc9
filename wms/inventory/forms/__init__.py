"""The forms in which Ansible keeps inventories: INI, YAML and JSON, read and written."""
