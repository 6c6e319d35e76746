"""Why messages stand where they stand: one's timeline, all of them counted, what is to come."""
