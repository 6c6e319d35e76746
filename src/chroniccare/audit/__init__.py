"""Who did or saw what, written durably."""
