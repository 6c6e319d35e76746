"""Local accounts of staff: passwords, second factors, and what happens to whoever guesses."""
