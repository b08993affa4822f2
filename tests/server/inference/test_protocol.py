"""Our own .proto against that of the stock client: the same calls, names, numbers and types."""

from __future__ import annotations

from typing import Any

import pytest
from tritonclient.grpc import model_config_pb2, service_pb2

from caffe_sdk.server.dispatch import method_name
from caffe_sdk.server.inference import pb
from caffe_sdk.server.inference.service import InferenceService
from caffe_sdk.server.security.rights import Right, of_call

THEIRS = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
MESSAGES = {
    **{name: file.message_types_by_name[name] for file in pb.FILES for name in file.message_types_by_name},
}


def their_message(name: str) -> Any:
    files = (service_pb2.DESCRIPTOR, model_config_pb2.DESCRIPTOR)
    return next(file.message_types_by_name[name] for file in files if name in file.message_types_by_name)


def facts(field: Any) -> tuple[Any, ...]:
    kind = field.message_type or field.enum_type
    oneof = field.containing_oneof.name if field.containing_oneof else ""
    return (field.number, field.type, field.is_repeated, kind.full_name if kind else "", oneof)


def compare(ours: Any, theirs: Any) -> None:
    assert ours.full_name == theirs.full_name
    for name, field in ours.fields_by_name.items():
        assert facts(field) == facts(theirs.fields_by_name[name]), field.full_name
    for name, nested in ours.nested_types_by_name.items():
        compare(nested, theirs.nested_types_by_name[name])
    for name, enum in ours.enum_types_by_name.items():
        assert enum.values_by_name.keys() == theirs.enum_types_by_name[name].values_by_name.keys()


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_are_the_protocols(name: str) -> None:
    compare(MESSAGES[name], their_message(name))


def test_requests_and_replies_are_complete() -> None:
    for file in pb.FILES:
        if file.name.endswith("grpc_service.proto"):
            for name, message in file.message_types_by_name.items():
                assert message.fields_by_name.keys() == their_message(name).fields_by_name.keys(), name


def test_every_call_is_answered() -> None:
    ours = pb.GRPCInferenceService
    assert ours.full_name == THEIRS.full_name
    for name, call in THEIRS.methods_by_name.items():
        own = ours.methods_by_name[name]
        for part in ("input_type", "output_type"):
            assert getattr(own, part).full_name == getattr(call, part).full_name
        assert (own.client_streaming, own.server_streaming) == (call.client_streaming, call.server_streaming)
        assert callable(getattr(InferenceService, method_name(name)))


@pytest.mark.parametrize("call", ["RepositoryModelLoad", "RepositoryModelUnload"])
def test_changing_the_repository_takes_the_highest_right(call: str) -> None:
    assert of_call(f"/{THEIRS.full_name}/{call}") is Right.ADMIN
