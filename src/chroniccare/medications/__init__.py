"""Prescriptions, the doses that follow from them, and what is known to have been taken."""
