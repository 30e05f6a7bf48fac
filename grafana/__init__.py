"""What a team watches: the dashboard and the alerts, written in Python.

What Grafana and Prometheus read is made of it by `python -m grafana`, and committed.
Written by hand are, in `provisioning/`, the data sources and where dashboards are.
"""
