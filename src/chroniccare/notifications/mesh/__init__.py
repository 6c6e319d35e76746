"""Several drivers a channel: which one is called, which is left alone, and how fast."""
