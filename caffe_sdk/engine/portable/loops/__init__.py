"""Loops compiled by Numba, a module for each family. Only `caffe_sdk.engine` and its tests call them.

They trust their callers: no index is checked unless it comes from a tensor.
"""
