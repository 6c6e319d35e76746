"""The outside world: the only place where drivers are imported."""
