"""What stands in the arguments of a task, or of an init program, for paths that only the worker knows. (core)"""

#: The event's files.
FILE_PLACEHOLDERS = ("{{INFILE}}", "{{IN_FILE}}", "{{OUTFILE}}", "{{OUT_FILE}}")
#: The directory that the init program fills.
HUB_PLACEHOLDERS = ("{{DATA_HUB}}", "{{DATAHUB}}")

#: The same as variables of the task's environment; the pilot sets them over the user's own.
ENV_INFILE = "EWMS_TASK_INFILE"
ENV_OUTFILE = "EWMS_TASK_OUTFILE"
ENV_DATA_HUB = "EWMS_TASK_DATA_HUB_DIR"
#: Ours: marks every process of a run, so that what it leaves behind can be told from another run's.
ENV_RUN = "EWMS_TASK_RUN"
