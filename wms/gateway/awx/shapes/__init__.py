"""How objects of the dialect look: their JSON, their paths, their words. Nothing here reads a database."""
