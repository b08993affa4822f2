"""The repository's models by the native service."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import grpc
import numpy as np
import pytest
from PIL import Image

from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import put_all, to_array
from caffe_sdk.server import Options, start
from tests.server.native.calls import calls, status
from tests.serving.models import SUM, expected, put


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    (put(root) / "labels.txt").write_text("\n".join(["ant", "bee", "cat", "dog", "eel"]))
    put(root, "sum", text=SUM)
    return root


@pytest.fixture(scope="module")
def stubs(root: Path) -> Iterator[SimpleNamespace]:
    options = Options("127.0.0.1:0", models=str(root), grace=0)
    with start(options) as server, grpc.insecure_channel(server.address) as channel:
        repository = server.backend.repository
        assert repository is not None
        repository.poll()
        yield calls(channel)


def png(rng: np.random.Generator) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_models_are_listed_and_described(stubs: SimpleNamespace) -> None:
    listed = {each.name: each for each in stubs.ListModels(pb.ListModelsRequest()).models}
    assert {name: (each.version, each.state) for name, each in listed.items()} == dict.fromkeys(
        ("small", "sum"), ("1", "READY")
    )
    told = stubs.DescribeModel(pb.DescribeModelRequest(model="small"))
    assert (told.name, told.version, list(told.labels)) == ("small", "1", ["ant", "bee", "cat", "dog", "eel"])
    assert [(each.name, list(each.shape.dims)) for each in told.inputs] == [("data", [-1, 3, 8, 8])]
    assert [(each.name, list(each.shape.dims)) for each in told.outputs] == [("prob", [-1, 5])]
    assert told.takes_images
    assert told.max_batch_size >= 1


def test_models_run(stubs: SimpleNamespace, root: Path, rng: np.random.Generator) -> None:
    data = rng.random((3, 3, 8, 8), np.float32)
    request = pb.RunModelRequest(model="small", version="1", outputs=["fc", "prob"])
    put_all(request.inputs, {"data": data})
    got = {each.name: to_array(each.tensor) for each in stubs.RunModel(request).outputs}
    assert set(got) == {"fc", "prob"}
    np.testing.assert_allclose(got["prob"], expected(root / "small" / "1", data=data)["prob"], rtol=1e-5)


def test_images_are_classified(stubs: SimpleNamespace, rng: np.random.Generator) -> None:
    images = [png(rng), png(rng)]
    reply = stubs.Classify(pb.ClassifyRequest(model="small", images=images, top=3))
    request = pb.RunModelRequest(model="small", images=images)
    scores = to_array(stubs.RunModel(request).outputs[0].tensor)
    assert reply.version == "1"
    for classes, row in zip(reply.images, scores, strict=True):
        best = np.argsort(-row)[:3]
        assert [each.index for each in classes.classes] == best.tolist()
        assert [each.label for each in classes.classes] == [["ant", "bee", "cat", "dog", "eel"][i] for i in best]
        np.testing.assert_allclose([each.score for each in classes.classes], row[best], rtol=1e-6)
    assert len(stubs.Classify(pb.ClassifyRequest(model="small", images=images)).images[0].classes) == 5


def test_features_of_a_stream_of_images(stubs: SimpleNamespace, rng: np.random.Generator) -> None:
    images = [png(rng) for _ in range(9)]

    def requests() -> Iterator[pb.ExtractFeaturesRequest]:
        yield pb.ExtractFeaturesRequest(model="small", blobs=["conv", "prob"], images=images[:2])
        for image in images[2:]:
            yield pb.ExtractFeaturesRequest(images=[image])

    found = list(stubs.ExtractFeatures(requests()))
    assert [[each.name for each in reply.blobs] for reply in found] == [["conv", "prob"]] * 8
    prob = np.concatenate([to_array(reply.blobs[1].tensor) for reply in found])
    request = pb.RunModelRequest(model="small", images=images)
    np.testing.assert_allclose(prob, to_array(stubs.RunModel(request).outputs[0].tensor), rtol=1e-5)
    assert list(stubs.ExtractFeatures(iter(()))) == []


def test_models_go_and_come(stubs: SimpleNamespace) -> None:
    stubs.UnloadModel(pb.UnloadModelRequest(model="sum"))
    with pytest.raises(grpc.RpcError) as caught:
        stubs.RunModel(pb.RunModelRequest(model="sum"))
    assert status(caught.value) in ("UNAVAILABLE", "NOT_FOUND")
    loaded = stubs.LoadModel(pb.LoadModelRequest(model="sum")).models
    assert [(each.name, each.state) for each in loaded] == [("sum", "READY")]


@pytest.mark.parametrize(
    ("call", "request_message", "wanted", "words"),
    [
        ("DescribeModel", pb.DescribeModelRequest(model="none"), "NOT_FOUND", "none"),
        ("RunModel", pb.RunModelRequest(model="small", version="7"), "NOT_FOUND", "there is no version 7"),
        ("RunModel", pb.RunModelRequest(model="../small"), "NOT_FOUND", "small"),
        ("LoadModel", pb.LoadModelRequest(model="../small"), "NOT_FOUND", "no such folder"),
        ("RunModel", pb.RunModelRequest(model="small"), "INVALID_ARGUMENT", "input 'data' is missing"),
        ("Classify", pb.ClassifyRequest(model="small"), "INVALID_ARGUMENT", "there are no images"),
        ("Classify", pb.ClassifyRequest(model="small", images=[b"x"]), "DATA_LOSS", "is not an image"),
        ("Classify", pb.ClassifyRequest(model="small", output="x"), "INVALID_ARGUMENT", "no images"),
    ],
)
def test_requests_that_make_no_sense(
    stubs: SimpleNamespace, call: str, request_message: object, wanted: str, words: str
) -> None:
    with pytest.raises(grpc.RpcError, match=words) as caught:
        getattr(stubs, call)(request_message)
    assert status(caught.value) == wanted


def test_negative_numbers_of_classes(stubs: SimpleNamespace, rng: np.random.Generator) -> None:
    with pytest.raises(grpc.RpcError, match="-1 classes"):
        stubs.Classify(pb.ClassifyRequest(model="small", images=[png(rng)], top=-1))


def test_a_server_without_models() -> None:
    with start(Options("127.0.0.1:0", grace=0)) as server, grpc.insecure_channel(server.address) as channel:
        stubs = calls(channel)
        assert not stubs.ListModels(pb.ListModelsRequest()).models
        with pytest.raises(grpc.RpcError, match="this server keeps no models; start it with --models DIR"):
            stubs.RunModel(pb.RunModelRequest(model="small"))
