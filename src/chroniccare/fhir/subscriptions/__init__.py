"""Subscription: FHIR clients are told of events, by the delivery of webhooks."""
