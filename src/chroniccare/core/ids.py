"""Identifiers: UUID version 7 (RFC 9562), so that rows arrive in index order."""

import sys

if sys.version_info >= (3, 14):
    from uuid import uuid7 as new_id
else:
    from uuid6 import uuid7 as new_id

__all__ = ["new_id"]
