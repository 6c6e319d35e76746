"""Emails of one kind are ended by the link in their header, without a login."""
