"""The rights of a patient: to have what is kept of them, and to have it erased."""
