"""Break-glass access: an hour of a clinician's view, with a reason, an alert and a mark."""
