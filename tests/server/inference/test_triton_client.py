"""The stock client of Triton over gRPC, as it comes from PyPI, against SqueezeNet."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from caffe_sdk import __version__
from caffe_sdk.memory import Array
from caffe_sdk.server import RunningServer
from tests.server.squeezenet import SqueezeNet

WRONG_INPUT = "there is no input 'wrong'; use one of: data"


@pytest.fixture
def client(squeezenet_server: RunningServer) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(squeezenet_server.address) as client:
        yield client


def numbers(values: Array, datatype: str = "FP32", name: str = "data") -> triton.InferInput:
    """An input of numbers."""
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    return tensor


def images(*encoded: bytes, column: bool = False) -> triton.InferInput:
    """An input of encoded images."""
    values = np.array(encoded, object).reshape((-1, 1) if column else (-1,))
    return numbers(values, "BYTES")


def test_health(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("squeezenet")
    assert client.is_model_ready("squeezenet", "1")
    assert not client.is_model_ready("squeezenet", "2")
    assert not client.is_model_ready("other")


def test_a_server_that_ends_is_not_ready(
    squeezenet_server: RunningServer, client: triton.InferenceServerClient
) -> None:
    squeezenet_server.backend.ending.set()
    try:
        assert client.is_server_live()
        assert not client.is_server_ready()
    finally:
        squeezenet_server.backend.ending.clear()


def test_metadata_and_configuration(client: triton.InferenceServerClient) -> None:
    server = client.get_server_metadata()
    assert (server.name, server.version) == ("caffe-sdk", __version__)
    assert "classification" in server.extensions
    model = client.get_model_metadata("squeezenet", as_json=True)
    assert model == {
        "name": "squeezenet",
        "versions": ["1"],
        "platform": "caffe",
        "inputs": [{"name": "data", "datatype": "FP32", "shape": ["-1", "3", "227", "227"]}],
        "outputs": [{"name": "prob", "datatype": "FP32", "shape": ["-1", "1000", "1", "1"]}],
    }
    config = client.get_model_config("squeezenet").config
    assert (config.name, config.backend, config.max_batch_size) == ("squeezenet", "caffe", 4)
    assert list(config.input[0].dims) == [3, 227, 227]
    assert config.parameters["takes_images"].string_value == "true"
    assert config.WhichOneof("scheduling_choice") == "dynamic_batching"


def test_numbers_give_what_the_net_gives(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    batch = np.concatenate([squeezenet.input, squeezenet.input[:, :, ::-1]])
    result = client.infer("squeezenet", [numbers(batch)], request_id="seven")
    np.testing.assert_array_equal(result.as_numpy("prob"), squeezenet.forward(batch))
    answer = result.get_response()
    assert (answer.model_name, answer.model_version, answer.id) == ("squeezenet", "1", "seven")


@pytest.mark.parametrize("column", [False, True])
def test_encoded_images_are_prepared(
    client: triton.InferenceServerClient, squeezenet: SqueezeNet, column: bool
) -> None:
    result = client.infer("squeezenet", [images(squeezenet.image, squeezenet.image, column=column)])
    want = squeezenet.forward(np.repeat(squeezenet.input, 2, axis=0))
    np.testing.assert_array_equal(result.as_numpy("prob"), want)


def test_other_types_of_numbers_are_taken(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    rounded = np.round(squeezenet.input)
    want = squeezenet.forward(rounded)
    for datatype, dtype in (("FP16", np.float16), ("INT16", np.int16), ("FP64", np.float64)):
        result = client.infer("squeezenet", [numbers(rounded.astype(dtype), datatype)])
        np.testing.assert_array_equal(result.as_numpy("prob"), want)


def test_classes_instead_of_numbers(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    wanted = triton.InferRequestedOutput("prob", class_count=5)
    twice = [squeezenet.image, squeezenet.image]
    classes = client.infer("squeezenet", [images(*twice)], outputs=[wanted]).as_numpy("prob")
    prob = squeezenet.forward(squeezenet.input).reshape(-1)
    best = np.argsort(-prob)[:5]
    assert classes.shape == (2, 5)
    for row in classes:
        values, indices, labels = zip(*(text.decode().split(":", 2) for text in row), strict=True)
        assert list(map(int, indices)) == best.tolist()
        assert list(labels) == [squeezenet.labels[index] for index in best]
        np.testing.assert_allclose(np.array(values, float), prob[best], atol=2e-6)  # two at once
    assert labels[0].endswith("kit fox, Vulpes macrotis")


def test_an_inner_blob_as_output(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    wanted = [triton.InferRequestedOutput("pool_final"), triton.InferRequestedOutput("prob")]
    result = client.infer("squeezenet", [numbers(squeezenet.input)], outputs=wanted)
    assert [output.name for output in result.get_response().outputs] == ["pool_final", "prob"]
    assert result.as_numpy("pool_final").shape == (1, 1000, 1, 1)


def test_asynchronous_requests(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    done: queue.Queue[tuple[Any, Any]] = queue.Queue()
    for _ in range(4):
        client.async_infer("squeezenet", [numbers(squeezenet.input)], lambda result, error: done.put((result, error)))
    want = squeezenet.forward(squeezenet.input)
    for _ in range(4):
        result, error = done.get(timeout=60)
        assert error is None
        np.testing.assert_allclose(result.as_numpy("prob"), want, rtol=1e-4)  # several at once


def test_a_stream_keeps_the_order_and_outlives_errors(
    client: triton.InferenceServerClient, squeezenet: SqueezeNet
) -> None:
    done: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: done.put((result, error)))
    client.async_stream_infer("squeezenet", [numbers(squeezenet.input)], request_id="0")
    client.async_stream_infer("squeezenet", [numbers(squeezenet.input, name="wrong")], request_id="1")
    client.async_stream_infer("other", [numbers(squeezenet.input)], request_id="2")
    client.async_stream_infer("squeezenet", [images(squeezenet.image)], request_id="3")
    answers = [done.get(timeout=60) for _ in range(4)]
    client.stop_stream()
    want = squeezenet.forward(squeezenet.input)
    for i in (0, 3):
        result, error = answers[i]
        assert error is None
        assert result.get_response().id == str(i)
        assert result.get_response().parameters["triton_final_response"].bool_param
        np.testing.assert_allclose(result.as_numpy("prob"), want, rtol=1e-4)  # several at once
    assert "input 'wrong'" in str(answers[1][1])
    assert "there is none of this name" in str(answers[2][1])


def test_a_timeout_of_the_client(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    batch = np.repeat(squeezenet.input, 4, axis=0)
    with pytest.raises(InferenceServerException) as caught:
        client.infer("squeezenet", [numbers(batch)], client_timeout=0.005)
    assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    assert client.infer("squeezenet", [numbers(squeezenet.input)]).as_numpy("prob").shape == (1, 1000, 1, 1)


def test_a_timeout_of_the_request(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer("squeezenet", [numbers(squeezenet.input)], timeout=1)
    assert caught.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    client.infer("squeezenet", [numbers(squeezenet.input)], timeout=60_000_000, priority=1)


def test_a_request_is_cancelled(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    failed, ended = [], threading.Event()

    def done(result: Any, error: Any) -> None:
        failed.append(error)
        ended.set()

    context = client.async_infer("squeezenet", [numbers(np.repeat(squeezenet.input, 4, axis=0))], done)
    context.cancel()
    assert ended.wait(60)
    assert failed[0].status() == "StatusCode.CANCELLED"
    assert client.infer("squeezenet", [numbers(squeezenet.input)]).as_numpy("prob").shape == (1, 1000, 1, 1)


def test_sequences_are_nothing_to_a_net(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    result = client.infer(
        "squeezenet", [numbers(squeezenet.input)], sequence_id=3, sequence_start=True, parameters={"mine": 1.5}
    )
    np.testing.assert_array_equal(result.as_numpy("prob"), squeezenet.forward(squeezenet.input))


def test_compressed_messages(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    for algorithm in ("gzip", "deflate"):
        result = client.infer("squeezenet", [numbers(squeezenet.input)], compression_algorithm=algorithm)
        np.testing.assert_array_equal(result.as_numpy("prob"), squeezenet.forward(squeezenet.input))


def test_statistics(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    before = client.get_inference_statistics("squeezenet").model_stats[0]
    client.infer("squeezenet", [numbers(np.repeat(squeezenet.input, 2, axis=0))])
    with pytest.raises(InferenceServerException):
        client.infer("squeezenet", [numbers(squeezenet.input[0])])
    after = client.get_inference_statistics("squeezenet", "1").model_stats[0]
    assert (after.name, after.version) == ("squeezenet", "1")
    assert after.inference_count == before.inference_count + 2
    assert after.execution_count == before.execution_count + 1
    assert after.inference_stats.success.count == before.inference_stats.success.count + 1
    assert after.inference_stats.fail.count == before.inference_stats.fail.count + 1
    assert after.inference_stats.compute_infer.ns > before.inference_stats.compute_infer.ns
    assert after.last_inference >= before.last_inference > 0
    assert 2 in [batch.batch_size for batch in after.batch_stats]
    assert [each.name for each in client.get_inference_statistics().model_stats] == ["squeezenet"]


def test_loading_and_unloading(client: triton.InferenceServerClient, squeezenet: SqueezeNet) -> None:
    def state() -> Any:
        return client.get_model_repository_index(as_json=True)["models"][0]

    assert state() == {"name": "squeezenet", "version": "1", "state": "READY"}
    client.unload_model("squeezenet", unload_dependents=True)
    assert state() == {"name": "squeezenet", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"}
    assert not client.is_model_ready("squeezenet")
    with pytest.raises(InferenceServerException) as caught:
        client.infer("squeezenet", [numbers(squeezenet.input)])
    assert caught.value.status() == "StatusCode.UNAVAILABLE"
    client.load_model("squeezenet")
    result = client.infer("squeezenet", [numbers(squeezenet.input)])
    np.testing.assert_array_equal(result.as_numpy("prob"), squeezenet.forward(squeezenet.input))


@pytest.mark.parametrize(
    ("call", "status", "words"),
    [
        (lambda c: c.get_model_metadata("other"), "NOT_FOUND", "there is none of this name"),
        (lambda c: c.get_model_config("squeezenet", "7"), "NOT_FOUND", "there is no version 7"),
        (lambda c: c.get_inference_statistics("other"), "NOT_FOUND", "there is none of this name"),
        (lambda c: c.load_model("other"), "NOT_FOUND", "there is no such folder"),
        (lambda c: c.load_model("../squeezenet"), "NOT_FOUND", "there is no such folder"),
        (lambda c: c.load_model("squeezenet", config="{}"), "UNIMPLEMENTED", "from the server's folder only"),
        (lambda c: c.load_model("x", files={"file:1/a": b""}), "UNIMPLEMENTED", "from the server's folder only"),
        (lambda c: c.unload_model("other"), "NOT_FOUND", "there is none of this name"),
        (lambda c: c.get_system_shared_memory_status(), "UNIMPLEMENTED", "send tensors in the request"),
        (lambda c: c.register_system_shared_memory("a", "/a", 8), "UNIMPLEMENTED", "looks into none"),
        (lambda c: c.unregister_system_shared_memory("a"), "UNIMPLEMENTED", "looks into none"),
        (lambda c: c.get_cuda_shared_memory_status(), "UNIMPLEMENTED", "looks into none"),
        (lambda c: c.register_cuda_shared_memory("a", b"YQ==", 0, 8), "UNIMPLEMENTED", "looks into none"),
        (lambda c: c.unregister_cuda_shared_memory("a"), "UNIMPLEMENTED", "looks into none"),
        (lambda c: c.get_trace_settings(), "UNIMPLEMENTED", "ask for ModelStatistics"),
        (lambda c: c.get_log_settings(), "UNIMPLEMENTED", "clients do not change them"),
    ],
)
def test_what_there_is_not(client: triton.InferenceServerClient, call: Any, status: str, words: str) -> None:
    with pytest.raises(InferenceServerException, match=words) as caught:
        call(client)
    assert caught.value.status() == f"StatusCode.{status}"
