"""The stock client of Triton over HTTP, as it comes from PyPI, against SqueezeNet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from caffe_sdk.memory import Array
from caffe_sdk.server import RunningServer
from tests.server.squeezenet import SqueezeNet


@pytest.fixture
def address(squeezenet_server: RunningServer) -> str:
    return squeezenet_server.doors[0].address.removeprefix("http://")


@pytest.fixture
def client(address: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(address, concurrency=4) as client:
        yield client


def numbers(values: Array, datatype: str = "FP32", binary: bool = True) -> triton.InferInput:
    tensor = triton.InferInput("data", list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def images(*encoded: bytes) -> triton.InferInput:
    return numbers(np.array(encoded, object), "BYTES")


def test_health(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("squeezenet")
    assert client.is_model_ready("squeezenet", "1")
    assert not client.is_model_ready("squeezenet", "2")
    assert not client.is_model_ready("other")


def test_metadata_and_configuration(client: triton.InferenceServerClient) -> None:
    server = client.get_server_metadata()
    assert server["name"] == "caffe-sdk"
    assert "binary_tensor_data" in server["extensions"]
    assert client.get_model_metadata("squeezenet", "1") == {
        "name": "squeezenet",
        "versions": ["1"],
        "platform": "caffe",
        "inputs": [{"name": "data", "datatype": "FP32", "shape": [-1, 3, 227, 227]}],
        "outputs": [{"name": "prob", "datatype": "FP32", "shape": [-1, 1000, 1, 1]}],
    }
    config = client.get_model_config("squeezenet")
    assert (config["name"], config["max_batch_size"]) == ("squeezenet", 4)
    assert config["input"] == [
        {"name": "data", "data_type": "TYPE_FP32", "format": "FORMAT_NCHW", "dims": [3, 227, 227]}
    ]
    assert config["parameters"]["takes_images"] == {"string_value": "true"}


@pytest.mark.parametrize("binary", [True, False])
def test_numbers_as_bytes_and_as_json(
    client: triton.InferenceServerClient, squeezenet: SqueezeNet, binary: bool
) -> None:
    wanted = triton.InferRequestedOutput("prob", binary_data=binary)
    result = client.infer("squeezenet", [numbers(squeezenet.input, binary=binary)], outputs=[wanted], request_id="7")
    np.testing.assert_array_equal(result.as_numpy("prob"), squeezenet.forward(squeezenet.input))
    answer = result.get_response()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("squeezenet", "1", "7")
    assert ("data" in answer["outputs"][0]) is not binary


def test_encoded_images(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    result = client.infer("squeezenet", [images(squeezenet.image, squeezenet.image)])
    want = squeezenet.forward(np.repeat(squeezenet.input, 2, axis=0))
    np.testing.assert_array_equal(result.as_numpy("prob"), want)


@pytest.mark.parametrize("binary", [True, False])
def test_classes_instead_of_numbers(client: triton.InferenceServerClient, squeezenet: SqueezeNet, binary: bool) -> None:
    wanted = [triton.InferRequestedOutput("prob", binary_data=binary, class_count=5)]
    classes = client.infer("squeezenet", [images(squeezenet.image)], outputs=wanted).as_numpy("prob")
    prob = squeezenet.forward(squeezenet.input).reshape(-1)
    want = [f"{prob[index]:f}:{index}:{squeezenet.labels[index]}" for index in np.argsort(-prob)[:5]]
    assert classes.shape == (1, 5)
    assert [text.decode() if binary else text for text in classes[0]] == want


def test_asynchronous_requests(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    under_way = [client.async_infer("squeezenet", [numbers(squeezenet.input)]) for _ in range(4)]
    want = squeezenet.forward(squeezenet.input)
    for each in under_way:
        np.testing.assert_allclose(each.get_result(timeout=60).as_numpy("prob"), want, rtol=1e-4)  # several at once


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression_both_ways(client: triton.InferenceServerClient, squeezenet: SqueezeNet, algorithm: str) -> None:
    result = client.infer(
        "squeezenet",
        [numbers(squeezenet.input)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_array_equal(result.as_numpy("prob"), squeezenet.forward(squeezenet.input))


def test_statistics(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    before = client.get_inference_statistics("squeezenet")["model_stats"][0]
    client.infer("squeezenet", [numbers(squeezenet.input)])
    after = client.get_inference_statistics()["model_stats"][0]
    assert after["inference_count"] == before["inference_count"] + 1
    assert after["inference_stats"]["success"]["count"] == before["inference_stats"]["success"]["count"] + 1


def test_loading_and_unloading(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    assert client.get_model_repository_index() == [{"name": "squeezenet", "version": "1", "state": "READY"}]
    client.unload_model("squeezenet", unload_dependents=True)
    assert client.get_model_repository_index()[0]["state"] == "UNAVAILABLE"
    assert not client.is_model_ready("squeezenet")
    assert not client.is_server_ready()
    with pytest.raises(InferenceServerException) as caught:
        client.infer("squeezenet", [numbers(squeezenet.input)])
    assert caught.value.status() == "503"
    client.load_model("squeezenet")
    assert client.is_model_ready("squeezenet")


@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        (lambda c: c.get_model_metadata("other"), "404", "there is none of this name"),
        (lambda c: c.get_model_config("squeezenet", "7"), "404", "there is no version 7"),
        (lambda c: c.load_model("other"), "404", "there is no such folder"),
        (lambda c: c.load_model("squeezenet", config="{}"), "501", "from the server's folder only"),
        (lambda c: c.get_system_shared_memory_status(), "501", "looks into no shared memory"),
        (lambda c: c.register_cuda_shared_memory("a", b"YQ==", 0, 8), "501", "looks into no shared memory"),
        (lambda c: c.get_trace_settings(), "501", "writes no traces"),
        (lambda c: c.update_log_settings({"log_info": True}), "501", "clients do not change"),
        (lambda c: c.infer("other", [images(b"")]), "404", "there is none of this name"),
    ],
)
def test_what_there_is_not(client: triton.InferenceServerClient, call: Any, status: str, words: str) -> None:
    with pytest.raises(InferenceServerException, match=words) as caught:
        call(client)
    assert caught.value.status() == status


def test_a_timeout_of_the_request(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer("squeezenet", [numbers(squeezenet.input)], timeout=1)
    assert caught.value.status() == "504"


def test_the_stock_asyncio_client(address: str, squeezenet: SqueezeNet) -> None:
    async def ask() -> list[Any]:
        async with triton_aio.InferenceServerClient(address) as client:
            assert await client.is_server_live()
            return await asyncio.gather(*(client.infer("squeezenet", [numbers(squeezenet.input)]) for _ in range(3)))

    want = squeezenet.forward(squeezenet.input)
    for result in asyncio.run(ask()):
        np.testing.assert_allclose(result.as_numpy("prob"), want, rtol=1e-4)  # several at once
