"""The reflection service: tools such as grpcurl ask the server for its services and their messages.

It answers from the package's own descriptors, so nothing it needs lies in the default pool, where another program's
files of the same names may be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message_factory import GetMessageClass

from caffe_sdk.schema.messages import load
from caffe_sdk.server.call import Call

SERVICES = tuple(
    file.services_by_name["ServerReflection"]
    for file in load("grpc").FILES
    if "ServerReflection" in file.services_by_name
)
"""The same service under its old name, v1alpha, and its name now, v1: tools know one or the other."""


class Reflection:
    """Answers about services: one `Reflection` for each name of the reflection service itself."""

    def __init__(self, service: Any, services: Collection[Any]) -> None:
        """``service`` is one of `SERVICES`, ``services`` the descriptors of all that the server has."""
        self.service, self._services = service, services
        self._pool = service.file.pool
        self._reply: Any = GetMessageClass(service.methods[0].output_type)

    def server_reflection_info(self, requests: Iterator[Any], _call: Call) -> Iterator[Any]:
        """ServerReflection.ServerReflectionInfo: an answer to each question."""
        for request in requests:
            reply = self._reply(valid_host=request.host, original_request=request)
            question = request.WhichOneof("message_request")
            try:
                self._answer(question, request, reply)
            except KeyError:
                reply.error_response.error_code = grpc.StatusCode.NOT_FOUND.value[0]
                asked = getattr(request, question)
                asked = getattr(asked, "containing_type", asked)
                reply.error_response.error_message = f"there is no '{asked}' here"
            yield reply

    def _answer(self, question: str | None, request: Any, reply: Any) -> None:
        """Fill the part of a reply that answers the question. KeyError for what is not there."""
        if question == "list_services":
            names = sorted(service.full_name for service in self._services)
            for name in names:
                reply.list_services_response.service.add(name=name)
        elif question == "file_by_filename":
            _put_files(reply, self._pool.FindFileByName(request.file_by_filename))
        elif question == "file_containing_symbol":
            _put_files(reply, self._file_of(request.file_containing_symbol))
        elif question == "file_containing_extension":
            message = self._pool.FindMessageTypeByName(request.file_containing_extension.containing_type)
            number = request.file_containing_extension.extension_number
            _put_files(reply, self._pool.FindExtensionByNumber(message, number).file)
        elif question == "all_extension_numbers_of_type":
            message = self._pool.FindMessageTypeByName(request.all_extension_numbers_of_type)
            numbers = sorted(extension.number for extension in self._pool.FindAllExtensions(message))
            reply.all_extension_numbers_response.base_type_name = message.full_name
            reply.all_extension_numbers_response.extension_number.extend(numbers)
        else:
            reply.error_response.error_code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
            reply.error_response.error_message = "the request asks nothing"

    def _file_of(self, symbol: str) -> Any:
        """The file that defines a symbol; the pool itself knows none of methods and fields."""
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            owner, _, part = symbol.rpartition(".")
            file = self._pool.FindFileContainingSymbol(owner)
            inside = owner.removeprefix(f"{file.package}.")
            if inside in file.services_by_name:
                return file.services_by_name[inside].methods_by_name[part].containing_service.file
            return self._pool.FindMessageTypeByName(owner).fields_by_name[part].file


def _put_files(reply: Any, file: Any) -> None:
    """A file and all it imports, each once."""
    found, rest = {file.name: file}, [file]
    while rest:
        for imported in rest.pop().dependencies:
            if imported.name not in found:
                found[imported.name] = imported
                rest.append(imported)
    for each in found.values():
        proto = FileDescriptorProto()
        each.CopyToProto(proto)
        reply.file_descriptor_response.file_descriptor_proto.append(proto.SerializeToString())
