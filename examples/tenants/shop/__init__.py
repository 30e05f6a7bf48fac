"""A shop with many tenants. Its tests: ``pytest --pinwatch --pinwatch-swap``."""
