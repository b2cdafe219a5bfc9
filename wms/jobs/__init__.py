"""Jobs: catalogue tasks on hosts of an inventory."""
