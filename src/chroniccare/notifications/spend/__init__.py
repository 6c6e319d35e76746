"""What SMS cost: limits, reservations, the brake of each country, what was spent."""
