"""The text that the command reads and prints: lines, tables, files, terminal output."""
