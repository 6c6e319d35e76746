"""Who wants which messages, by which channels, and when: what is stored and what follows."""
