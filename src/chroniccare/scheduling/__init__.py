"""Appointments and everything that keeps two of them apart."""
