"""What a patient reads: built-in texts, and those that a clinic writes in their place."""
