"""What was dispensed, until when it lasts, and who must see to more."""
