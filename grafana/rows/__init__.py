"""The rows of the dashboard, each with a title and its panels."""
