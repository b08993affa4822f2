"""Caffe's messages under the names that pycaffe scripts use: ``caffe_pb2.NetParameter()``, ``caffe_pb2.TRAIN``,
``caffe_pb2.Phase.Name(1)``, and the descriptors of old generated code (``caffe_pb2._NETPARAMETER``).

They are the classes of :mod:`caffe_sdk.schema.messages`. Another ``caffe_pb2`` may be imported beside this one: their
messages are of different classes and travel from one to the other as bytes (``SerializeToString``, ``FromString``).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor

from caffe_sdk.schema import messages
from caffe_sdk.schema.messages import DESCRIPTOR


def _aliases() -> dict[str, Descriptor | EnumDescriptor]:
    """Each message and enum by the name that generated code gave its descriptor, ``_FILLERPARAMETER_VARIANCENORM``."""
    kinds: list[Descriptor | EnumDescriptor] = [*DESCRIPTOR.enum_types_by_name.values()]
    for message in DESCRIPTOR.message_types_by_name.values():
        kinds += [message, *message.enum_types]
    prefix = f"{DESCRIPTOR.package}."
    return {"_" + kind.full_name.removeprefix(prefix).replace(".", "_").upper(): kind for kind in kinds}


_names = vars(messages.load("caffe"))
_descriptors = _aliases()
__all__ = [name for name in _names if name != "FILES"]


def __getattr__(name: str) -> Any:
    """A message class, enum, enum value or descriptor of ``caffe.proto``."""
    if name in _descriptors:
        return _descriptors[name]
    try:
        return _names[name]
    except KeyError:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}: caffe.proto defines no such name"
        ) from None


def __dir__() -> list[str]:
    return sorted({*globals(), *_names, *_descriptors})
