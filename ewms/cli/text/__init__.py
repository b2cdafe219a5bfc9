"""What the command reads and prints: lines, tables, files, a terminal."""
