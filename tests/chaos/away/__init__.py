"""Receivers of webhooks that are away for a day, and what becomes of their events."""
