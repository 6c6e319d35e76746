"""Programs for who maintains the product."""
