"""Who may call what: tokens, rights, and the gate that every call passes before its message is read."""

from __future__ import annotations
