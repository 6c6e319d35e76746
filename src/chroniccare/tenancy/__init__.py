"""Tenants, API keys and the way from a credential to a caller."""
