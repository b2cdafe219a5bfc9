"""Where a pilot finds, when it starts, that each failure counts against its event at once: its task fails everywhere.

TMS writes it, into the ad of HTCondor's job or into the environment of the local pool's.
"""

from typing import Final

#: The job's attribute; `true`: failures count.
JOB_CHARGES: Final = "EWMSChargesEvents"
#: The variable of a job of the local pool; set: failures count.
LOCAL_CHARGES: Final = "_EWMS_LOCAL_CHARGES"
