"""Caffe's messages: the classes, their text form, their binary form at memory speed, and upgrades of old files."""
