"""What the local outbox keeps in the place of providers, to look at."""
