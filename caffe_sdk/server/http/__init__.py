"""The HTTP door: the Open Inference Protocol's REST twin (``/v2/...``), health and metrics."""

from __future__ import annotations
