"""What the server and its client agree on: the messages of ``proto/caffe_sdk/v1``, arrays and errors in them."""

from __future__ import annotations

from caffe_sdk.schema.messages import load

pb = load("caffe_sdk")
"""Message classes, enum values and services of ``caffe_sdk.v1``."""
