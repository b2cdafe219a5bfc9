"""The pilot's variables and exit statuses, as every process knows them."""
