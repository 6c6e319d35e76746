"""Calendars that patients and providers subscribe to."""
