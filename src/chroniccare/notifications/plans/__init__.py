"""Fallback plans: which channel follows which, after how long, and what is waited for."""
