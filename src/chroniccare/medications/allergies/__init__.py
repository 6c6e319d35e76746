"""What a patient is allergic to, or does not tolerate."""
