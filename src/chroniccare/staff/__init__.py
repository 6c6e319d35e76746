"""Who works at a clinic, and what they may do there."""
