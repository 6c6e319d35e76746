"""Doses that are due together, told in one message, and the replies to it."""
