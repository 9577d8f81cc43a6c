"""The control API: one door to the platform over HTTP. It reads and asks; what it asks for, the rooms do."""

from loopwright.api.app import create_app

__all__ = ["create_app"]
