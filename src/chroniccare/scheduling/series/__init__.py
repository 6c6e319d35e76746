"""Series: treatment cycles and other visits that come back."""
