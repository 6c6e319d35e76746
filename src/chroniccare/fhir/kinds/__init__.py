"""What each resource type is read from and searched by: one record a type."""
