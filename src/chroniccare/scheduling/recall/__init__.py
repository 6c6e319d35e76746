"""Recalls: patients who are due back, called by one worker at a time until they come."""
