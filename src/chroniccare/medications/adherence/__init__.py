"""What was taken, what was missed, and who must hear of it."""
