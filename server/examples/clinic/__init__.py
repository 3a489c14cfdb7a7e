"""The receptionist of a medical practice: opening hours, appointments in a real database, messages, a person on
request."""
