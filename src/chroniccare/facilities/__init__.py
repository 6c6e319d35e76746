"""Facilities: where and when a clinic is open."""
