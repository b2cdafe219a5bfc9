"""What people give templates and launches: documents, surveys and their answers, variables."""
