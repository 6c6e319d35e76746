"""What a clinic books: kinds of visits, rooms and equipment, and its rules of booking."""
