"""The devices on which a patient has the clinic's app: where push messages go."""
