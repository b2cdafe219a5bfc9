"""Keep who changed what and when: one log for all of WMS."""
