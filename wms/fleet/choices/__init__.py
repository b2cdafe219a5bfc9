"""What operators choose: locations and how their TMSs work, versions of the pilot, limits and pauses."""
