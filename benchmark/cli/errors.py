"""The error of a wrong argument."""

from __future__ import annotations

from algorithms.plugins import UserError


class BadInput(UserError):
    """An argument that cannot be used. The message says why and what is allowed."""
