"""Mistakes in models and solvers that are no errors: what ``caffe check`` looks for, rule by rule."""

from __future__ import annotations

from caffe_sdk.app.check import hazards, labels
from caffe_sdk.app.check.check import Entry, Report, check
from caffe_sdk.app.check.rules import RULES, rule
from caffe_sdk.app.check.subject import HINT, WARNING, Finding, Subject

__all__ = [
    "HINT",
    "RULES",
    "WARNING",
    "Entry",
    "Finding",
    "Report",
    "Subject",
    "check",
    "rule",
    "hazards",
    "labels",
]
