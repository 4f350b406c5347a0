"""The doors of the booking hub: how the outside gets in."""
