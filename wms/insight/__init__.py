"""Show people their workflows: the graph, why something does not move, a report, and a stream of news."""
