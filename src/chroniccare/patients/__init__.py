"""Patients, their contact points and who cares for them."""
