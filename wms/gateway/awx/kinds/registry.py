"""All kinds of the dialect. A new kind joins here. (core)"""

from collections.abc import Mapping

from wms.gateway.awx.kinds.jobs import JOB_KINDS
from wms.gateway.awx.kinds.kind import Kind
from wms.gateway.awx.kinds.notifications import NOTIFICATION_KINDS
from wms.gateway.awx.kinds.others import OTHER_KINDS
from wms.gateway.awx.kinds.people import PEOPLE_KINDS
from wms.gateway.awx.kinds.schedules import SCHEDULE_KINDS
from wms.gateway.awx.kinds.templates import TEMPLATE_KINDS

_ALL = (*TEMPLATE_KINDS, *JOB_KINDS, *SCHEDULE_KINDS, *NOTIFICATION_KINDS, *PEOPLE_KINDS, *OTHER_KINDS)
KINDS: Mapping[str, Kind] = {kind.path: kind for kind in _ALL}
