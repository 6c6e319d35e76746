"""Pairs of drugs that must not meet: a minimal safety net."""
