from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from caffe_sdk.server.inference import pb
from caffe_sdk.server.reflection import SERVICES
from caffe_sdk.server.server import Options, RunningServer, start

HEALTH = "grpc.health.v1.Health"
INFERENCE = pb.GRPCInferenceService.full_name


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with start(Options("127.0.0.1:0", grace=0)) as server:
        yield server


@pytest.fixture
def channel(server: RunningServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as channel:
        yield channel


def test_the_stock_client_lists_and_describes_every_service(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    services = list(database.get_services())
    assert {"caffe_sdk.v1.Nets", HEALTH, "grpc.reflection.v1.ServerReflection"} <= set(services)
    pool = DescriptorPool(database)
    calls = {name: [call.name for call in pool.FindServiceByName(name).methods] for name in services}
    assert "Check" in calls[HEALTH]
    assert "Forward" in calls["caffe_sdk.v1.Nets"]
    assert all(calls.values())
    fields = pool.FindMessageTypeByName("caffe_sdk.v1.ForwardRequest").fields_by_name
    assert "inputs" in fields


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: str(service.full_name))
def test_each_question_by_either_name_of_the_service(channel: grpc.Channel, service: object) -> None:
    asked = [
        {"list_services": ""},
        {"file_by_filename": "inference/grpc_service.proto"},
        {"file_containing_symbol": "inference.ModelConfig"},
        {"file_containing_symbol": f"{INFERENCE}.ModelInfer"},
        {"file_containing_symbol": "inference.ModelInferRequest.InferInputTensor.contents"},
        {"all_extension_numbers_of_type": "caffe.NetParameter"},
        {"file_by_filename": "no.proto"},
        {"file_containing_symbol": "no.Such"},
        {"file_containing_symbol": f"{INFERENCE}.NoSuch"},
        {"file_containing_symbol": "inference.ModelInferRequest.no_such"},
        {"file_containing_extension": {"containing_type": "caffe.NetParameter", "extension_number": 5}},
        {"file_containing_extension": {"containing_type": "no.Such", "extension_number": 5}},
        {"all_extension_numbers_of_type": "no.Such"},
        {},
    ]
    answers = list(_ask(channel, service, asked))
    assert [answer.original_request.host for answer in answers] == [str(i) for i in range(len(asked))]
    services, by_name, by_message, by_call, by_field, extensions, *wrong, nothing = answers
    assert HEALTH in [each.name for each in services.list_services_response.service]
    assert len(by_name.file_descriptor_response.file_descriptor_proto) == 2
    assert len(by_message.file_descriptor_response.file_descriptor_proto) == 1
    assert by_call.file_descriptor_response == by_name.file_descriptor_response
    assert by_field.file_descriptor_response == by_name.file_descriptor_response
    assert extensions.all_extension_numbers_response.base_type_name == "caffe.NetParameter"
    assert [answer.error_response.error_code for answer in wrong] == [5] * 7
    assert wrong[0].error_response.error_message == "there is no 'no.proto' here"
    assert nothing.error_response.error_code == 3


def _ask(channel: grpc.Channel, service: object, asked: list[dict[str, object]]) -> Iterator[object]:
    method = service.methods[0]  # type: ignore[attr-defined]
    request = GetMessageClass(method.input_type)
    call = channel.stream_stream(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=request.SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    return call(iter([request(host=str(i), **question) for i, question in enumerate(asked)]))


def grpcurl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The stock command, if it is here."""
    found = shutil.which("grpcurl", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("grpcurl is not here; `make clients` gets it, on Linux on x86-64")
    return subprocess.run([found, "-plaintext", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_grpcurl_lists_and_describes_everything(server: RunningServer) -> None:
    listed = grpcurl(server.address, "list").stdout.split()
    assert {"caffe_sdk.v1.Nets", "caffe_sdk.v1.Solvers", HEALTH} < set(listed)
    assert {service.full_name for service in SERVICES} < set(listed)
    for name in listed:
        described = grpcurl(server.address, "describe", name)
        assert f"{name} is a service:" in described.stdout, described.stderr
    nets = grpcurl(server.address, "describe", "caffe_sdk.v1.Nets").stdout
    assert "rpc Forward ( .caffe_sdk.v1.ForwardRequest ) returns ( .caffe_sdk.v1.ForwardReply );" in nets


def test_grpcurl_calls_what_it_knows_by_reflection_alone(server: RunningServer) -> None:
    layer = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 2 } } }'
    made = grpcurl("-d", json.dumps({"model": {"text": layer}}), server.address, "caffe_sdk.v1.Nets/CreateNet")
    net = json.loads(made.stdout)
    assert net["blobs"] == [{"name": "d", "shape": {"dims": ["2"]}}]
    asked = json.dumps({"net": net["net"], "inputs": [], "blobs": ["d"]})
    ran = json.loads(grpcurl("-d", asked, server.address, "caffe_sdk.v1.Nets/Forward").stdout)
    assert ran["outputs"][0]["tensor"]["shape"] == ["2"]
    wrong = grpcurl("-d", json.dumps({"model": {"text": "layr {}"}}), server.address, "caffe_sdk.v1.Nets/CreateNet")
    assert "Code: InvalidArgument" in wrong.stderr
    assert "unknown field 'layr' in NetParameter; did you mean 'layer'?" in wrong.stderr
