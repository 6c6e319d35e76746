"""Messages that reached nobody: listed with their cause, and sent after all."""
