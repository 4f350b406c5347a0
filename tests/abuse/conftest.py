"""Workers, watchers and a Redis that may be killed, as the tests of the live part have them."""

from tests.live.conftest import start, valkey, watch

__all__ = ["start", "valkey", "watch"]
