"""Free times: fetched in one statement, swept on paper, offered and never promised."""
