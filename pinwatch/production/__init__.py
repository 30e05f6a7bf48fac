"""Logs and statistics from production, and the ranking of pins made from them."""
