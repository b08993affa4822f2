"""Caffe without the build: ``import caffe_sdk as caffe``."""

__version__ = "0.1.0"
