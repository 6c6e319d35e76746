"""Webhooks while their worker is killed."""
