"""Nets and solvers of every age become today's, as Caffe makes them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from caffe_sdk.errors import GraphError, LayerError, ModelError, PrototxtError
from caffe_sdk.schema import prototxt
from caffe_sdk.schema.messages import NetParameter, SolverParameter, V0LayerParameter, V1LayerParameter
from caffe_sdk.schema.upgrade import V0_OPTIONS, V0_TYPES, V1_TYPES, needs_upgrade, upgrade_net, upgrade_solver


def net(text: str) -> Any:
    return prototxt.parse(text, NetParameter)


def becomes(old: str, new: str) -> None:
    start, wanted = net(old), net(new)
    before = start.SerializeToString()
    assert upgrade_net(start) == wanted
    assert start.SerializeToString() == before


def test_real_nets_have_the_blobs_caffe_gave_them(shared: Path) -> None:
    folder = shared / "prototxt"
    expected = json.loads((folder / "expected_shapes.json").read_text())
    for name, shapes in expected.items():
        new = upgrade_net(prototxt.read(folder / name, NetParameter), name)
        assert not needs_upgrade(new)
        tops = {top for layer in new.layer for top in layer.top}
        assert {blob for blob in shapes if "_split_" not in blob} <= tops, name
        for layer in new.layer:
            if layer.type == "Input":
                for top, shape in zip(layer.top, layer.input_param.shape, strict=False):
                    assert list(shape.dim) == shapes[top], (name, top)


def test_every_real_file_upgrades(shared: Path) -> None:
    count = 0
    for path in sorted((shared / "prototxt").rglob("*")):
        if path.suffix not in (".prototxt", ".pt"):
            continue
        try:
            new = upgrade_net(prototxt.read(path, NetParameter))
        except PrototxtError:
            assert not upgrade_solver(prototxt.read(path, SolverParameter)).HasField("solver_type")
        else:
            assert not new.layers
            assert not needs_upgrade(new)
        count += 1
    assert count == 461


def test_todays_net_comes_back_itself() -> None:
    same = net("name: 'n' layer { type: 'Input' } layer { type: 'BatchNorm' param { lr_mult: 1 } }")
    assert upgrade_net(same) is same


def test_v0() -> None:
    becomes(
        """
        name: "v0"
        layers { layer { name: "d" type: "data" source: "db" batchsize: 8 scale: 0.5 meanfile: "m" cropsize: 5
                         mirror: true rand_skip: 2 } top: "data" }
        layers { layer { name: "p" type: "padding" pad: 2 } bottom: "data" top: "padded" }
        layers { layer { name: "c" type: "conv" num_output: 3 kernelsize: 5 stride: 2 group: 1 biasterm: false
                         weight_filler { type: "xavier" } blobs_lr: 1 blobs_lr: 2 weight_decay: 1
                         blobs { num: 1 data: 3 } } bottom: "padded" top: "c" }
        layers { layer { name: "o" type: "pool" pool: AVE kernelsize: 3 stride: 2 } bottom: "c" top: "o" }
        layers { layer { name: "n" type: "lrn" local_size: 3 alpha: 0.1 beta: 0.7 k: 2 } bottom: "o" top: "n" }
        layers { layer { name: "r" type: "dropout" dropout_ratio: 0.3 } bottom: "n" top: "n" }
        layers { layer { name: "i" type: "innerproduct" num_output: 4 } bottom: "n" top: "i" }
        layers { layer { name: "l" type: "softmax_loss" } bottom: "i" bottom: "label" }
        """,
        """
        name: "v0"
        layer { name: "d" type: "Data" top: "data" data_param { source: "db" batch_size: 8 rand_skip: 2 }
                transform_param { scale: 0.5 mean_file: "m" crop_size: 5 mirror: true } }
        layer { name: "c" type: "Convolution" bottom: "data" top: "c" blobs { num: 1 data: 3 }
                param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 }
                convolution_param { num_output: 3 kernel_size: 5 stride: 2 group: 1 bias_term: false pad: 2
                                    weight_filler { type: "xavier" } } }
        layer { name: "o" type: "Pooling" bottom: "c" top: "o" pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
        layer { name: "n" type: "LRN" bottom: "o" top: "n" lrn_param { local_size: 3 alpha: 0.1 beta: 0.7 k: 2 } }
        layer { name: "r" type: "Dropout" bottom: "n" top: "n" dropout_param { dropout_ratio: 0.3 } }
        layer { name: "i" type: "InnerProduct" bottom: "n" top: "i" inner_product_param { num_output: 4 } }
        layer { name: "l" type: "SoftmaxWithLoss" bottom: "i" bottom: "label" }
        """,
    )


def test_v0_options_that_a_type_never_had_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        becomes(
            "layers { layer { name: 'r' type: 'relu' num_output: 3 new_num: 1 } bottom: 'x' top: 'x' }",
            "layer { name: 'r' type: 'ReLU' bottom: 'x' top: 'x' }",
        )
    assert "layer 'r': a relu layer has no option 'num_output'; it is left out" in caplog.text
    assert "'new_num'" in caplog.text


def test_v0_hdf5_output() -> None:
    becomes(
        "layers { layer { name: 'h' type: 'hdf5_output' hdf5_output_param { file_name: 'f' } } bottom: 'x' }",
        "layer { name: 'h' type: 'HDF5Output' hdf5_output_param { file_name: 'f' } bottom: 'x' }",
    )


def test_v0_mistakes() -> None:
    with pytest.raises(
        LayerError, match=r"old.pt: layer 'x': unknown type 'convolution' of a V0 layer; the types are ac"
    ):
        upgrade_net(net("layers { layer { name: 'x' type: 'convolution' } }"), "old.pt")
    padded = "layers { layer { name: 'p' type: 'padding' pad: 1 } bottom: 'a' top: 'b' }"
    with pytest.raises(GraphError, match="layer 'r': a relu layer after the padding layer 'p'; only a conv or pool"):
        upgrade_net(net(padded + "layers { layer { name: 'r' type: 'relu' } bottom: 'b' top: 'c' }"))
    with pytest.raises(GraphError, match="layer 'c': padding between several blobs"):
        upgrade_net(net(padded + "layers { layer { name: 'c' type: 'conv' } bottom: 'b' bottom: 'a' top: 'c' }"))


def test_v1() -> None:
    becomes(
        """
        layers { name: "d" type: DATA top: "data" data_param { source: "db" scale: 0.5 mirror: true crop_size: 3 }
                 include { phase: TEST } }
        layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" param: "w" param: "b" blobs_lr: 1 blobs_lr: 2
                 weight_decay: 1 weight_decay: 0 blob_share_mode: PERMISSIVE
                 convolution_param { num_output: 3 kernel_size: 3 } }
        layers { name: "l" type: SOFTMAX_LOSS bottom: "c" loss_weight: 2 exclude { stage: "x" }
                 loss_param { normalize: true } }
        """,
        """
        layer { name: "d" type: "Data" top: "data" data_param { source: "db" } include { phase: TEST }
                transform_param { scale: 0.5 mirror: true crop_size: 3 } }
        layer { name: "c" type: "Convolution" bottom: "data" top: "c"
                param { name: "w" lr_mult: 1 decay_mult: 1 share_mode: PERMISSIVE }
                param { name: "b" lr_mult: 2 decay_mult: 0 } convolution_param { num_output: 3 kernel_size: 3 } }
        layer { name: "l" type: "SoftmaxWithLoss" bottom: "c" loss_weight: 2 exclude { stage: "x" }
                loss_param { normalize: true } }
        """,
    )


def test_v1_beside_v2_is_refused() -> None:
    with pytest.raises(ModelError, match=r"both layer .* and the older layers .* are given; write them all as layer"):
        upgrade_net(net("layer { type: 'ReLU' } layers { type: RELU }"))


def test_inputs_become_a_layer_placed_first() -> None:
    wanted = """
        layer { name: "input" type: "Input" top: "a" top: "b"
                input_param { shape { dim: 1 dim: 3 dim: 4 dim: 5 } shape { dim: 2 dim: 1 dim: 1 dim: 1 } } }
        layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
    """
    layer = "layer { name: 'r' type: 'ReLU' bottom: 'a' top: 'a' }"
    becomes("input: ['a', 'b'] input_dim: [1, 3, 4, 5, 2, 1, 1, 1]" + layer, wanted)
    becomes("input: ['a', 'b'] input_shape { dim: [1, 3, 4, 5] } input_shape { dim: [2, 1, 1, 1] }" + layer, wanted)
    becomes("input: 'a' " + layer, layer)
    with pytest.raises(
        ModelError, match="2 inputs, and shapes for 1; give each input an input_shape, or four input_dim"
    ):
        upgrade_net(net("input: ['a', 'b'] input_dim: [1, 3, 4, 5, 2, 1]"))


def test_batch_norm_statistics_are_not_trained() -> None:
    becomes(
        "layer { type: 'BatchNorm' param { lr_mult: 1 } param { name: 'v' } param { } }",
        "layer { type: 'BatchNorm' param { lr_mult: 0 decay_mult: 0 } param { name: 'v' lr_mult: 0 decay_mult: 0 }"
        " param { lr_mult: 0 decay_mult: 0 } }",
    )


def test_solver_types() -> None:
    for old, new in (("SGD", "SGD"), ("NESTEROV", "Nesterov"), ("RMSPROP", "RMSProp"), ("ADADELTA", "AdaDelta")):
        solver = prototxt.parse(f"base_lr: 1 solver_type: {old}", SolverParameter)
        assert upgrade_solver(solver) == SolverParameter(base_lr=1, type=new)
    same = SolverParameter(type="Adam")
    assert upgrade_solver(same) is same
    with pytest.raises(
        ModelError, match=r"s.prototxt: both type and the older solver_type are given; remove solver_type"
    ):
        upgrade_solver(prototxt.parse("type: 'SGD' solver_type: SGD", SolverParameter), "s.prototxt")


def test_the_tables_cover_the_messages() -> None:
    assert set(V1_TYPES) == set(V1LayerParameter.LayerType.keys())
    assert set(V0_TYPES.values()) <= set(V1_TYPES)
    assert set(V0_OPTIONS) <= set(V0LayerParameter.DESCRIPTOR.fields_by_name)
    for places in V0_OPTIONS.values():
        for kind, place in places.items():
            parameter, option = place.split(".")
            assert kind in V0_TYPES
            assert option in V1LayerParameter.DESCRIPTOR.fields_by_name[parameter].message_type.fields_by_name
