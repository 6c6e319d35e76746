"""A clinic at a noon of its own, whose messages go into the outbox."""

from tests.notifications.conftest import bench, channels

__all__ = ["bench", "channels"]
