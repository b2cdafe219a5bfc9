"""The placeholders in the arguments of tasks and init programs. Only the worker knows the paths for them. (core)"""

#: The event's files.
FILE_PLACEHOLDERS = ("{{INFILE}}", "{{IN_FILE}}", "{{OUTFILE}}", "{{OUT_FILE}}")
#: The directory that the init program fills.
HUB_PLACEHOLDERS = ("{{DATA_HUB}}", "{{DATAHUB}}")

#: The variables of the task's environment that hold the same paths. The pilot overrides the user's values.
ENV_INFILE = "EWMS_TASK_INFILE"
ENV_OUTFILE = "EWMS_TASK_OUTFILE"
ENV_DATA_HUB = "EWMS_TASK_DATA_HUB_DIR"
#: The directory with a file for each secret of the task.
ENV_SECRETS = "EWMS_TASK_SECRETS_DIR"
#: This variable marks every process of a run, so that EWMS finds the processes that a run leaves behind.
ENV_RUN = "EWMS_TASK_RUN"
