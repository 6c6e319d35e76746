"""Chronic Care: appointments, medications and the messages that keep patients on track."""

__version__ = "0.1.0"
