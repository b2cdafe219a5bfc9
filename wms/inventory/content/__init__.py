"""What an inventory holds: its rules, its groups as a graph, its merged variables, and changes of it."""
