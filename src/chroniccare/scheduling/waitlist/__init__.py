"""Patients who wait for an earlier or a first visit, and the offers of times that become free."""
