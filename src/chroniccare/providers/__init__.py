"""Providers, where they work and when."""
