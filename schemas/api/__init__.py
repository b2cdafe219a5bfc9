"""The bodies of REST routes, except for the objects in `schemas.fleet.objects`.

Source: contract, sections 1.1 to 1.5.
"""
