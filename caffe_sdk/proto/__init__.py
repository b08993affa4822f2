"""The name by which pycaffe scripts import the messages: ``from caffe_sdk.proto import caffe_pb2``."""
