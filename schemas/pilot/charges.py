"""Names by which a starting pilot learns that its task fails everywhere: each failure counts against its event at once.

TMS writes it into the ad of HTCondor's job, or into the environment of the local pool's job.
"""

from typing import Final

#: The attribute of HTCondor's job. `true`: failures count at once.
JOB_CHARGES: Final = "EWMSChargesEvents"
#: The variable of the local pool's job. If it is set, failures count at once.
LOCAL_CHARGES: Final = "_EWMS_LOCAL_CHARGES"
