"""Numbered plain SQL and its runner."""
