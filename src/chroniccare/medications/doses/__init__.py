"""Doses planned ahead from regimens, on two clocks."""
