"""Drawings of nets: LeNet is Figure 1 of Caffe's paper, in every direction and format, without Graphviz."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import caffe_sdk as caffe
from caffe_sdk import draw
from caffe_sdk import layers as L
from caffe_sdk.draw.dot import to_dot
from caffe_sdk.draw.graph import graph_of, in_phase, without_splits
from caffe_sdk.draw.picture import BLOB, IN_PLACE, LAYER, Picture, Polygon, Text, picture_of
from caffe_sdk.draw.raster import to_raster
from caffe_sdk.draw.svg import to_svg
from caffe_sdk.errors import ArgumentError, DeviceError, LayerError, WriteError
from caffe_sdk.proto import caffe_pb2
from caffe_sdk.schema import prototxt

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def lenet(root: Path) -> Any:
    return prototxt.read(root / "caffe_sdk/models/lenet/lenet_train_test.prototxt", caffe_pb2.NetParameter)


def outlines(picture: Picture) -> dict[str, Polygon]:
    """The outlines of a picture by the first line of what they are called."""
    return {item.title.splitlines()[0]: item for item in picture.items if isinstance(item, Polygon)}


def test_lenet_is_a_graph_of_layers_and_blobs(lenet: Any) -> None:
    graph = graph_of(lenet, phase=caffe.TRAIN)
    names = [node.words[0] for node in graph.nodes]
    blobs = [name for name, node in zip(names, graph.nodes, strict=True) if node.is_blob]
    assert blobs == ["data", "label", "conv1", "pool1", "conv2", "pool2", "ip1", "ip2", "loss"]
    edges = {(names[edge.first], names[edge.second]) for edge in graph.edges}
    assert {("mnist", "data"), ("mnist", "label"), ("data", "conv1"), ("ip2", "loss"), ("label", "loss")} <= edges
    ip1 = next(node for node in graph.nodes if node.is_blob and node.words == ["ip1"])
    assert [node.words for node in ip1.in_place] == [["relu1", "(ReLU)"]]
    assert [edge.label for edge in graph.edges if edge.label] == ["Batch 64", "20", "50", "500", "10"]
    assert not any(edge.label for edge in graph_of(lenet, label_edges=False).edges)


def test_layers_of_two_phases_are_drawn_once(lenet: Any) -> None:
    everything = graph_of(lenet)
    assert [node.words[0] for node in everything.nodes].count("mnist") == 1
    assert "accuracy" in {node.words[0] for node in everything.nodes}
    assert "accuracy" not in {node.words[0] for node in graph_of(lenet, phase=caffe.TRAIN).nodes}


def test_phases_by_rules() -> None:
    def layer(**rules: Any) -> Any:
        return L.ReLU(**rules).to_proto().layer[0]

    assert in_phase(layer(), caffe.TEST)
    assert not in_phase(layer(include={"phase": 0}), caffe.TEST)
    assert in_phase(layer(include=[{"phase": 0}, {"phase": 1}]), caffe.TEST)
    assert not in_phase(layer(exclude={"phase": 1}), caffe.TEST)
    assert in_phase(layer(include={"stage": "deploy"}), caffe.TEST)
    with pytest.raises(LayerError, match="has both include and exclude specified"):
        in_phase(layer(include={"phase": 1}, exclude={"phase": 0}), caffe.TEST)


def test_layers_are_blue_boxes_and_blobs_yellow_octagons(lenet: Any) -> None:
    shapes = outlines(picture_of(graph_of(lenet), "TB"))
    assert (len(shapes["data"].points), shapes["data"].fill) == (8, BLOB)
    conv = shapes["conv1 (Convolution) kernel size: 5 stride: 1 pad: 0"]
    assert (len(conv.points), conv.fill) == (4, LAYER)
    assert "num_output: 20" in conv.title
    assert shapes["relu1 (ReLU)"].fill == IN_PLACE


@pytest.mark.parametrize(("rankdir", "axis", "sign"), [("LR", 0, 1), ("RL", 0, -1), ("TB", 1, 1), ("BT", 1, -1)])
def test_the_net_flows_where_it_is_told_to(lenet: Any, rankdir: str, axis: int, sign: int) -> None:
    picture = picture_of(graph_of(lenet), rankdir)
    shapes = outlines(picture)
    middle = {name: np.mean(shapes[name].points, axis=0) * sign for name in ("data", "conv1", "ip2", "loss")}
    along = [place[axis] for place in middle.values()]
    assert along == sorted(along)
    for item in shapes.values():
        for x, y in item.points:
            assert 0 <= x <= picture.width
            assert 0 <= y <= picture.height


def test_words_fit_into_their_outlines(lenet: Any) -> None:
    picture = picture_of(graph_of(lenet, shapes={"data": (64, 1, 28, 28)}), "LR")
    words = [item.words for item in picture.items if isinstance(item, Text)]
    assert "64 × 1 × 28 × 28" in words
    assert {"conv1", "(Convolution)", "kernel size: 5", "Batch 64"} <= set(words)


def test_a_layer_that_writes_over_one_of_its_inputs_has_an_edge_both_ways() -> None:
    net = caffe_pb2.NetParameter()
    net.layer.add(name="add", type="Eltwise", bottom=["a", "b"], top=["a"])
    (one, other) = graph_of(net).edges
    assert (one.both, other.both) == (True, False)
    picture_of(graph_of(net), "LR")


def test_nets_of_all_ages(lenet: Any) -> None:
    net = caffe_pb2.NetParameter(input=["data"], input_dim=[1, 3, 4, 4])
    net.layers.add(name="conv", type=4, bottom=["data"], top=["conv"]).convolution_param.kernel_size.append(3)
    assert [node.words[0] for node in graph_of(net).nodes] == ["input", "data", "conv", "conv"]
    assert net.layers, "the net itself stays as it is"
    for wrong in ("net.prototxt", caffe_pb2.SolverParameter()):
        with pytest.raises(ArgumentError, match="give a NetParameter"):
            draw.draw_net(wrong, "LR")


def test_splits_can_be_left_out() -> None:
    net = caffe_pb2.NetParameter(name="n")
    net.layer.add(name="split", type="Split", bottom=["a"], top=["a_0", "a_1"])
    net.layer.add(name="again", type="Split", bottom=["a_1"], top=["a_2"])
    net.layer.add(name="add", type="Eltwise", bottom=["a_0", "a_2"], top=["b"])
    (layer,) = without_splits(net).layer
    assert list(layer.bottom) == ["a", "a"]


def test_svg_is_xml_with_tooltips(lenet: Any) -> None:
    root = ElementTree.fromstring(draw.draw_net(lenet, "TB", "svg"))
    assert root.tag == f"{SVG}svg"
    polygons = root.findall(f"{SVG}polygon")
    assert len(polygons) == len(outlines(picture_of(graph_of(lenet), "TB")))
    assert any("num_output: 500" in str(polygon[0].text) for polygon in polygons)
    assert "conv1 (Convolution)" in {text.text for text in root.iter(f"{SVG}text")}


def test_names_may_hold_anything() -> None:
    net = caffe_pb2.NetParameter(name='<&"\x01')
    net.layer.add(name="<script>\x00\n", type="&", top=['"a"'])
    root = ElementTree.fromstring(draw.draw_net(net, "LR", "svg"))
    assert "<script>" in {str(text.text).strip() for text in root.iter(f"{SVG}text")}
    draw.draw_net(net, "LR", "png")
    assert r"\"a\"" in draw.draw_net(net, "LR", "dot").decode()
    assert ElementTree.fromstring(draw.draw_net(caffe_pb2.NetParameter(), "LR", "svg")).tag == f"{SVG}svg"


def test_png_has_the_colours(lenet: Any) -> None:
    with Image.open(BytesIO(draw.draw_net(lenet, "TB", "png", caffe.TRAIN))) as image:
        pixels = np.asarray(image.convert("RGB"))
    share = {
        color: (pixels == [int(color[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2).mean() for color in (LAYER, BLOB)
    }
    assert 0.05 < share[LAYER] < 0.5
    assert 0.02 < share[BLOB] < 0.5
    assert (pixels[0] == 255).all()


def test_large_pictures_are_drawn_in_bands_and_smaller_scale() -> None:
    tall = Picture(100, 3000, "tall", [Polygon([(10, 5), (90, 5), (90, 2990), (10, 2990)], "#FF0000")])
    with Image.open(BytesIO(to_raster(tall, "png"))) as image:
        assert image.size == (150, 4500)
        assert {image.getpixel((75, y)) for y in range(100, 4400, 100)} == {(255, 0, 0)}
    huge = Picture(50, 90_000, "huge", [])
    with Image.open(BytesIO(to_raster(huge, "jpg"))) as image:
        assert max(image.size) <= 65000
    assert to_svg(huge).startswith("<svg")


@pytest.mark.parametrize(
    ("name", "magic"),
    [("n.png", b"\x89PNG"), ("n.jpg", b"\xff\xd8"), ("n.pdf", b"%PDF"), ("n.SVG", b"<svg"), ("n.raw", b"digraph")],
)
def test_the_file_name_says_the_format(lenet: Any, tmp_path: Path, name: str, magic: bytes) -> None:
    draw.draw_net_to_file(lenet, str(tmp_path / name), phase=caffe.TEST)
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_what_cannot_be_drawn(lenet: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="there is no format 'xyz'; use one of svg, png"):
        draw.draw_net_to_file(lenet, tmp_path / "net.xyz")
    with pytest.raises(ArgumentError, match="there is no direction 'XY'"):
        draw.draw_net(lenet, "XY")
    with pytest.raises(WriteError):
        draw.draw_net_to_file(lenet, tmp_path / "no" / "net.svg")


def test_graphviz_source(lenet: Any) -> None:
    text = to_dot(graph_of(lenet, phase=caffe.TRAIN), "LR")
    assert 'rankdir="LR"' in text
    assert text.count("->") == len(graph_of(lenet, phase=caffe.TRAIN).edges) + 1
    assert '[label="relu1\\n(ReLU)" shape="box"' in text


@pytest.fixture
def pydot(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much of pydot as is used, which writes down what it is told."""

    class Dot(SimpleNamespace):
        def __init__(self, name: str, **options: str) -> None:
            super().__init__(name=name, options=options, nodes=[], edges=[])
            self.add_node, self.add_edge = self.nodes.append, self.edges.append

    def node(label: str, **style: str) -> Any:
        return SimpleNamespace(label=label, style=style)

    def edge(first: Any, second: Any, label: str) -> Any:
        return first.label, second.label, label

    monkeypatch.setitem(sys.modules, "pydot", SimpleNamespace(Dot=Dot, Node=node, Edge=edge))  # type: ignore[arg-type]


@pytest.mark.usefixtures("pydot")
def test_graphs_for_pydot(lenet: Any) -> None:
    graph = draw.get_pydot_graph(lenet, "TB", phase=caffe.TRAIN)
    labels = [node.label for node in graph.nodes]
    assert '"conv1 (Convolution) kernel size: 5 stride: 1 pad: 0"' in labels
    assert len(labels) == len(set(labels)) == 18
    assert ('"relu1 (ReLU)"', '"ip1"', '""') in graph.edges
    assert ('"mnist (Data)"', '"label"', "Batch 64") in graph.edges
    assert graph.options == {"graph_type": "digraph", "rankdir": "TB"}


def test_without_pydot_the_error_says_so(lenet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(DeviceError, match="pip install pydot; draw_net and draw_net_to_file do without it"):
        draw.get_pydot_graph(lenet, "LR")


def test_notebooks_show_nets(lenet: Any) -> None:
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3]})
    n.a, n.b = L.ReLU(n.data), L.Sigmoid(n.data)
    with caffe.Net(n.to_proto(), caffe.TEST) as net:
        net.blobs["data"].reshape(5, 3)
        net.reshape()
        text = net._repr_svg_()
    assert "5 × 3" in text
    assert "Split" not in text


def test_importing_draw_is_light() -> None:
    script = "import sys, caffe_sdk.draw; print([n for n in ('numpy.linalg', 'PIL', 'scipy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
