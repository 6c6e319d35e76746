"""When visits can be booked: weekly rules, exceptions, holidays; which visits a change strands."""
