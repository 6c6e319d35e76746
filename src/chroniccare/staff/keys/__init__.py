"""API keys of a clinic, as its administrators see them; tenancy proves them."""
