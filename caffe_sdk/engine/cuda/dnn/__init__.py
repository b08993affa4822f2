"""Convolutions by cuDNN 9, where it is installed: through ctypes, and step by step back to our own path where not."""

from __future__ import annotations
