"""What the dialect knows of one kind of object. (core)

A new kind is one `Kind` in `registry.KINDS`, beside its routes: `OPTIONS` of its list, its objects and all that stands
below them, and the flags that the `awx` command makes of that, follow from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from wms.gateway.awx.kinds.fields import KindModel
from wms.gateway.awx.lists import Fields
from wms.tenancy.rights import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A list below each object of a kind."""

    #: The kind of its members, as `Kind.path`.
    kind: str
    #: Whether a POST joins a member by its `id`. Without it a POST only creates members.
    joins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of object."""

    #: The part of the path of its list: `job_templates`.
    path: str
    #: All fields of its objects.
    model: type[KindModel]
    #: The right that a change needs, in some organization; None: objects of this kind do not change.
    change: Action | None = None
    #: Whether its lists stand only below objects of other kinds.
    is_below_others: bool = False
    #: The fields by which its list is filtered and ordered.
    filters: Fields = field(default_factory=dict)
    #: The fields in which a search looks.
    searched: tuple[str, ...] = ("name",)
    #: The filters whose values name one object: `name++organization`. Empty: only ids do.
    named_by: tuple[str, ...] = ()
    #: The names of the roles that somebody may have on one object.
    object_roles: tuple[str, ...] = ()
    #: Name of a list below an object -> what its members are.
    parts: Mapping[str, Part] = field(default_factory=dict)
    #: Name of an action below an object -> the model of its body.
    actions: Mapping[str, type[BaseModel]] = field(default_factory=dict)
