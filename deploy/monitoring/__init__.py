"""What operators watch EWMS with: the page of metrics, and the dashboards of Grafana. Both are made from the code."""
