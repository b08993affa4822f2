"""The native service ``caffe_sdk.v1``: nets and solvers, call by call, for clients in any language."""

from __future__ import annotations
