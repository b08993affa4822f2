"""The message classes, from descriptor sets that ship with the package.

Caffe's own messages and enums are attributes of this module (``from caffe_sdk.schema.messages import NetParameter``);
the classes of another set come from :func:`load`.

They live in a descriptor pool of their own, so another ``caffe.proto`` (of BVLC Caffe, OpenCV's samples, a converter)
may be loaded in the same process; and they are made from descriptors, not generated code, so any protobuf runtime from
6.31 on will do.
"""

from __future__ import annotations

import functools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass

from caffe_sdk.schema.files import read_bytes

DESCRIPTORS = Path(__file__).parent / "descriptors"

_pool = DescriptorPool()


@functools.cache
def load(name: str) -> SimpleNamespace:
    """What the sources of one descriptor set define at top level, by name: message classes, enums (with ``Name`` and
    ``Value``), the values of these enums, and service descriptors. ``FILES`` holds the file descriptors.

    ``name`` is that of an entry of ``proto/`` in the source tree: "caffe" for ``caffe.proto``, or a folder for all the
    files in it. What they import is loaded too, and not listed. Raises MissingFileError when there is no such set.
    """
    found = SimpleNamespace(FILES=[])
    for proto in FileDescriptorSet.FromString(read_bytes(DESCRIPTORS / f"{name}.binpb")).file:
        _pool.AddSerializedFile(proto.SerializeToString())
        if proto.name.split("/")[0].removesuffix(".proto") == name:
            found.FILES.append(_pool.FindFileByName(proto.name))
    for file in found.FILES:
        for message in file.message_types_by_name.values():
            setattr(found, message.name, GetMessageClass(message))
        for enum in file.enum_types_by_name.values():
            setattr(found, enum.name, EnumTypeWrapper(enum))
            for value in enum.values:
                setattr(found, value.name, value.number)
        for service in file.services_by_name.values():
            setattr(found, service.name, service)
    return found


_caffe = load("caffe")
DESCRIPTOR = _caffe.FILES[0]
for _name in DESCRIPTOR.message_types_by_name:
    getattr(_caffe, _name).__module__ = __name__  # so that messages can be pickled: the class is found again here


def __getattr__(name: str) -> Any:
    """A message class, enum or enum value of ``caffe.proto``."""
    try:
        return getattr(_caffe, name)
    except AttributeError:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}: caffe.proto defines no such name"
        ) from None


def __dir__() -> list[str]:
    return sorted({*globals(), *vars(_caffe)})
