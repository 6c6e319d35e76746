"""Group sessions: one time, one provider, one room, and a seat for each of several patients."""
