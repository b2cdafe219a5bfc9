"""Describe routes to people and programs: the OpenAPI document, and Swagger UI."""
