"""The dashboard and the alerts, written in Python.

`python -m grafana` generates the files that Grafana and Prometheus read; they are
committed. In `provisioning/`, the data sources and the dashboard provider are written
by hand.
"""
