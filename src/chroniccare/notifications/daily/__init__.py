"""The daily run of the notification stack on AWS: a list of appointments, without a database."""
