"""The outside world, one small interface each."""


class Undeliverable(Exception):
    """What was to be sent is refused for good; trying again is in vain."""
