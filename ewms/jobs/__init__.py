"""Jobs: tasks of the catalogue on inventories, and saved lists of tasks."""
