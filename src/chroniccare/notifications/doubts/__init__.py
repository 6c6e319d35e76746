"""Messages of which nobody knows whether they arrived: staff decide."""
