"""The rules of the booking hub."""
