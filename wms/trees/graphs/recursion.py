"""Find whether a template would run within itself. (core)"""

from collections.abc import Mapping, Sequence

from schemas.ids import TemplateId


def find_recursion(
    template: TemplateId, wraps: Mapping[TemplateId, Sequence[TemplateId]], wrapped: TemplateId
) -> tuple[TemplateId, ...]:
    """Return the way from `template` over `wrapped` back to `template`; empty: there is none.

    `wraps` says for each template that `wrapped` leads to which ones it wraps.
    """
    came_from: dict[TemplateId, TemplateId] = {wrapped: template}
    frontier = [wrapped]
    while frontier:
        here = frontier.pop()
        if here == template:
            way = [here, came_from[here]]
            while way[-1] != template:
                way.append(came_from[way[-1]])
            return tuple(reversed(way))
        for child in wraps.get(here, ()):
            if child not in came_from:
                came_from[child] = here
                frontier.append(child)
    return ()
