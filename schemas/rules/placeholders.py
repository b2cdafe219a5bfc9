"""The placeholders in the arguments of a task or of an init program. Only the worker knows their paths. (core)"""

#: The event's files.
FILE_PLACEHOLDERS = ("{{INFILE}}", "{{IN_FILE}}", "{{OUTFILE}}", "{{OUT_FILE}}")
#: The directory that the init program fills.
HUB_PLACEHOLDERS = ("{{DATA_HUB}}", "{{DATAHUB}}")

#: The variables of the task's environment with the same paths. The pilot overrides the user's values.
ENV_INFILE = "EWMS_TASK_INFILE"
ENV_OUTFILE = "EWMS_TASK_OUTFILE"
ENV_DATA_HUB = "EWMS_TASK_DATA_HUB_DIR"
#: Our own: it marks every process of a run, so that EWMS can tell leftovers of one run from another run's.
ENV_RUN = "EWMS_TASK_RUN"
