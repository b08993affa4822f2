"""NetSpec writes the prototxt that pycaffe's does."""

# ruff: noqa: C408 - dict(...) is how nets are written in Python

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk.errors import ArgumentError, LayerError
from caffe_sdk.net_spec import Function, NetSpec, Top, assign_proto, param_name_dict, to_proto
from caffe_sdk.net_spec import params as P
from caffe_sdk.proto import caffe_pb2


def lenet(batch_size: int) -> Any:
    n = NetSpec()
    n.data, n.label = L.DummyData(
        shape=[dict(dim=[batch_size, 1, 28, 28]), dict(dim=[batch_size, 1, 1, 1])],
        transform_param=dict(scale=1.0 / 255),
        ntop=2,
    )
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler=dict(type="xavier"))
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.conv2 = L.Convolution(n.pool1, kernel_size=5, num_output=50, weight_filler=dict(type="xavier"))
    n.pool2 = L.Pooling(n.conv2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool2, num_output=500, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.ip2 = L.InnerProduct(n.relu1, num_output=10, weight_filler=dict(type="xavier"))
    n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
    return n.to_proto()


def parsed(text: str) -> Any:
    return text_format.Parse(text, caffe_pb2.NetParameter())


def silent_net() -> Any:
    n = NetSpec()
    n.data, n.data2 = L.DummyData(shape=dict(dim=3), ntop=2)
    n.silence_data = L.Silence(n.data, ntop=0)
    n.silence_data2 = L.Silence(n.data2, ntop=0)
    return n.to_proto()


def anonymous_net() -> Any:
    data, label = L.DummyData(shape=[dict(dim=[2, 3]), dict(dim=[2])], ntop=2)
    hidden = L.ReLU(L.InnerProduct(data, num_output=4), in_place=True)
    return to_proto(L.SoftmaxWithLoss(L.InnerProduct(hidden, num_output=2), label))


def test_lenet_is_the_prototxt_one_would_write() -> None:
    expected = parsed(
        """
        layer { name: "data" type: "DummyData" top: "data" top: "label" transform_param { scale: 0.00392156886 }
                dummy_data_param { shape { dim: 4 dim: 1 dim: 28 dim: 28 } shape { dim: 4 dim: 1 dim: 1 dim: 1 } } }
        layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
                convolution_param { num_output: 20 kernel_size: 5 weight_filler { type: "xavier" } } }
        layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
                pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
        layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
                convolution_param { num_output: 50 kernel_size: 5 weight_filler { type: "xavier" } } }
        layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
                pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
        layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1"
                inner_product_param { num_output: 500 weight_filler { type: "xavier" } } }
        layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
        layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
                inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
        """
    )
    assert lenet(4) == expected


@pytest.mark.parametrize("make", [lambda: lenet(50), anonymous_net, silent_net])
def test_a_net_can_be_built_from_it(make: Callable[[], Any]) -> None:
    with caffe.Net(make(), caffe.TEST) as net:
        net.forward()


def test_layers_and_tops_without_a_name_get_numbers() -> None:
    net = anonymous_net()
    assert [layer.name for layer in net.layer] == [
        "DummyData1",
        "InnerProduct1",
        "ReLU1",
        "InnerProduct2",
        "SoftmaxWithLoss1",
    ]
    assert list(net.layer[0].top) == ["DummyData1", "DummyData2"]
    assert list(net.layer[2].top) == list(net.layer[2].bottom) == ["InnerProduct1"]


def test_a_layer_without_tops_takes_the_name_it_was_assigned_to() -> None:
    assert [layer.name for layer in silent_net().layer] == ["data", "silence_data", "silence_data2"]
    assert to_proto(L.Silence(L.Input(shape=dict(dim=1)), ntop=0)).layer[1].name == "Silence1"


def test_what_a_spec_holds() -> None:
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 2]))
    n["ip"] = L.InnerProduct(n.data, num_output=2)
    assert n.ip is n["ip"]
    assert list(n.tops) == ["data", "ip"]
    assert "ip" in n
    assert "ip" in dir(n)
    assert not hasattr(n, "other")
    twin = copy.copy(n)
    assert twin.to_proto() == n.to_proto()
    del n.ip
    del n["data"]
    assert not n.tops
    with pytest.raises(ArgumentError, match="no top 'ip'"):
        del n.ip


def test_a_top_alone_is_a_net_too() -> None:
    top = L.InnerProduct(L.Input(shape=dict(dim=[1, 2])), num_output=2)
    assert isinstance(top, Top)
    assert top.to_proto() == to_proto(top)
    assert isinstance(L.Silence(top, ntop=0), Function)
    assert to_proto().layer == []


def test_nets_of_many_layers_are_no_deeper_than_python_goes() -> None:
    top = L.Input(shape=dict(dim=[1, 2]))
    for _ in range(3000):
        top = L.ReLU(top)
    layers = to_proto(top).layer
    assert [layer.name for layer in layers[-2:]] == ["ReLU2999", "ReLU3000"]


def test_inputs_come_in_the_order_of_a_walk_from_the_left() -> None:
    data = L.Input(shape=dict(dim=[1, 2]))
    left, right = L.Sigmoid(data), L.TanH(data)
    types = [layer.type for layer in to_proto(L.Eltwise(L.Eltwise(right, left), left)).layer]
    assert types == ["Input", "TanH", "Sigmoid", "Eltwise", "Eltwise"]


def test_parameters_go_where_they_belong() -> None:
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
    n.conv = L.Convolution(
        n.data,
        name="convolution",
        param=[dict(lr_mult=1, decay_mult=1), dict(lr_mult=2, decay_mult=0)],
        kernel_size=[3, 2],
        num_output=np.int64(4),
        bias_term=np.bool_(False),
        pad=np.array([1, 0]),
        stride=2.0,
        weight_filler=caffe_pb2.FillerParameter(type="msra"),
        include=dict(phase=caffe.TEST),
        propagate_down=(True,),
    )
    n.up = L.Deconvolution(n.conv, convolution_param=dict(num_output=2, kernel_size=2, engine="CAFFE"))
    n.python = L.Python(n.up, module="m", layer="l", param_str='{"a": 1}', loss_weight=[0.5], include=[])
    assert n.to_proto() == parsed(
        """
        layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
        layer { name: "convolution" type: "Convolution" bottom: "data" top: "conv"
                param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
                convolution_param { kernel_size: 3 kernel_size: 2 num_output: 4 bias_term: false pad: 1 pad: 0 stride: 2
                                    weight_filler { type: "msra" } }
                include { phase: TEST } propagate_down: true }
        layer { name: "up" type: "Deconvolution" bottom: "conv" top: "up"
                convolution_param { num_output: 2 kernel_size: 2 engine: CAFFE } }
        layer { name: "python" type: "Python" bottom: "up" top: "python" loss_weight: 0.5
                python_param { module: "m" layer: "l" param_str: '{"a": 1}' } }
        """
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda d: L.Convolution(d, num_outputs=2),
            r"layer 'top' \(Convolution\): .*; did you mean 'num_output'",
        ),
        (lambda d: L.Deconvolution(d, num_output=2), r"write convolution_param=dict\(num_output=...\)"),
        (lambda d: L.ReLU(d, qqq=2), "there is no parameter 'qqq'; leave it out"),
        (lambda d: L.Pooling(d, pool="MIN"), "PoolingParameter: 'pool' cannot be 'MIN'"),
        (lambda d: L.Pooling(d, kernel_size=2.5), "'kernel_size' cannot be 2.5"),
        (lambda d: L.Pooling(d, kernel_size=[2, 2]), "'kernel_size' cannot be"),
        (lambda d: L.Convolution(d, weight_filler="xavier"), "'weight_filler' cannot be 'xavier': .* give a dict"),
        (lambda d: L.Convolution(d, weight_filler=dict(kind="xavier")), "FillerParameter: there is no field 'kind'"),
        (lambda d: L.ReLU(d, relu_params=dict()), "did you mean 'relu_param'"),
    ],
)
def test_wrong_parameters(make: Callable[[Any], Any], words: str) -> None:
    n = NetSpec()
    n.top = make(L.Input(shape=dict(dim=[1, 2])))
    with pytest.raises(LayerError, match=words):
        n.to_proto()


def test_wrong_inputs_and_tops() -> None:
    with pytest.raises(ArgumentError, match="Convolution input 0 is not a Top"):
        L.Convolution("data", num_output=2)
    with pytest.raises(ArgumentError, match="ntop='2' makes no sense"):
        L.Data(ntop="2")
    with pytest.raises(ArgumentError, match="at most 1"):
        L.ReLU(L.Input(), in_place=True, ntop=2)
    n = NetSpec()
    n.data = L.Data(ntop=2)
    with pytest.raises(ArgumentError, match="'data' was assigned 2 tops"):
        n.to_proto()
    n.data = 3
    with pytest.raises(ArgumentError, match="'data' was assigned a value of type int"):
        n.to_proto()


def test_every_type_with_parameters_takes_them() -> None:
    """A field of each layer's own message ends up there."""
    for type_name, name in param_name_dict().items():
        own = caffe_pb2.LayerParameter.DESCRIPTOR.fields_by_name[f"{name}_param"].message_type
        scalars = [field for field in own.fields if field.message_type is None]
        field = scalars[0] if scalars else own.fields_by_name["shape"]
        value = dict(dim=1) if not scalars else [1] if field.is_repeated else field.default_value
        layer = getattr(L, type_name)(**{field.name: value}).to_proto().layer[0]
        assert [field.name for field, _ in layer.ListFields()] == ["name", "type", "top", f"{name}_param"], type_name


LEARN = [dict(lr_mult=1, decay_mult=1), dict(lr_mult=2, decay_mult=0)]


def caffenet() -> Any:
    n = NetSpec()

    def weights(std: float, bias: float) -> dict[str, Any]:
        return dict(
            param=LEARN,
            weight_filler=dict(type="gaussian", std=std),
            bias_filler=dict(type="constant", value=bias),
        )

    def data(phase: int, name: str, batch_size: int) -> Any:
        return L.Data(
            source=f"examples/imagenet/ilsvrc12_{name}_lmdb",
            backend=P.Data.LMDB,
            batch_size=batch_size,
            include=dict(phase=phase),
            transform_param=dict(
                mirror=phase == caffe.TRAIN, crop_size=227, mean_file="data/ilsvrc12/imagenet_mean.binaryproto"
            ),
            ntop=2,
        )

    def pooled_and_normalized(number: int, top: Any) -> Any:
        n[f"pool{number}"] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
        n[f"norm{number}"] = L.LRN(n[f"pool{number}"], local_size=5, alpha=1e-4, beta=0.75)
        return n[f"norm{number}"]

    n.data, n.label = data(caffe.TRAIN, "train", 256)
    n.conv1 = L.Convolution(n.data, num_output=96, kernel_size=11, stride=4, **weights(0.01, 0))
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    top = pooled_and_normalized(1, n.relu1)
    n.conv2 = L.Convolution(top, num_output=256, pad=2, kernel_size=5, group=2, **weights(0.01, 1))
    n.relu2 = L.ReLU(n.conv2, in_place=True)
    top = pooled_and_normalized(2, n.relu2)
    n.conv3 = L.Convolution(top, num_output=384, pad=1, kernel_size=3, **weights(0.01, 0))
    n.relu3 = L.ReLU(n.conv3, in_place=True)
    n.conv4 = L.Convolution(n.relu3, num_output=384, pad=1, kernel_size=3, group=2, **weights(0.01, 1))
    n.relu4 = L.ReLU(n.conv4, in_place=True)
    n.conv5 = L.Convolution(n.relu4, num_output=256, pad=1, kernel_size=3, group=2, **weights(0.01, 1))
    n.relu5 = L.ReLU(n.conv5, in_place=True)
    n.pool5 = L.Pooling(n.relu5, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    top = n.pool5
    for number in (6, 7):
        n[f"fc{number}"] = L.InnerProduct(top, num_output=4096, **weights(0.005, 1))
        n[f"relu{number}"] = L.ReLU(n[f"fc{number}"], in_place=True)
        n[f"drop{number}"] = top = L.Dropout(n[f"relu{number}"], dropout_ratio=0.5, in_place=True)
    n.fc8 = L.InnerProduct(top, num_output=1000, **weights(0.01, 0))
    n.accuracy = L.Accuracy(n.fc8, n.label, include=dict(phase=caffe.TEST))
    n.loss = L.SoftmaxWithLoss(n.fc8, n.label)
    net = n.to_proto()
    test = NetSpec()
    test.data, test.label = data(caffe.TEST, "val", 50)
    together = caffe_pb2.NetParameter(name="CaffeNet", layer=[net.layer[0], test.to_proto().layer[0]])
    together.layer.extend(net.layer[1:])
    return together


def googlenet() -> Any:
    n = NetSpec()
    max3 = dict(pool=P.Pooling.MAX, kernel_size=3)

    def conv(bottom: Any, place: str, name: str, num_output: int, std: float, **params: Any) -> Any:
        n[f"{place}/{name}"] = L.Convolution(
            bottom,
            param=LEARN,
            num_output=num_output,
            weight_filler=dict(type="xavier", std=std),
            bias_filler=dict(type="constant", value=0.2),
            **params,
        )
        relu = f"{place}/relu_{name.removesuffix('_s2')}"
        n[relu] = L.ReLU(n[f"{place}/{name}"], in_place=True)
        return n[relu]

    def inception(bottom: Any, name: str, *sizes: int) -> Any:
        place = f"inception_{name}"
        one = conv(bottom, place, "1x1", sizes[0], 0.03, kernel_size=1)
        three = conv(bottom, place, "3x3_reduce", sizes[1], 0.09, kernel_size=1)
        three = conv(three, place, "3x3", sizes[2], 0.03, kernel_size=3, pad=1)
        five = conv(bottom, place, "5x5_reduce", sizes[3], 0.2, kernel_size=1)
        five = conv(five, place, "5x5", sizes[4], 0.03, kernel_size=5, pad=2)
        n[f"{place}/pool"] = L.Pooling(bottom, stride=1, pad=1, **max3)
        pool = conv(n[f"{place}/pool"], place, "pool_proj", sizes[5], 0.1, kernel_size=1)
        n[f"{place}/output"] = L.Concat(one, three, five, pool)
        return n[f"{place}/output"]

    def pooled(bottom: Any, name: str) -> Any:
        n[name] = L.Pooling(bottom, stride=2, **max3)
        return n[name]

    norm = dict(local_size=5, alpha=1e-4, beta=0.75)
    n.data = L.Input(shape=dict(dim=[10, 3, 224, 224]))
    top = pooled(conv(n.data, "conv1", "7x7_s2", 64, 0.1, kernel_size=7, stride=2, pad=3), "pool1/3x3_s2")
    n["pool1/norm1"] = L.LRN(top, **norm)
    top = conv(n["pool1/norm1"], "conv2", "3x3_reduce", 64, 0.1, kernel_size=1)
    top = conv(top, "conv2", "3x3", 192, 0.03, kernel_size=3, pad=1)
    n["conv2/norm2"] = L.LRN(top, **norm)
    top = pooled(n["conv2/norm2"], "pool2/3x3_s2")
    top = inception(top, "3a", 64, 96, 128, 16, 32, 32)
    top = pooled(inception(top, "3b", 128, 128, 192, 32, 96, 64), "pool3/3x3_s2")
    top = inception(top, "4a", 192, 96, 208, 16, 48, 64)
    top = inception(top, "4b", 160, 112, 224, 24, 64, 64)
    top = inception(top, "4c", 128, 128, 256, 24, 64, 64)
    top = inception(top, "4d", 112, 144, 288, 32, 64, 64)
    top = pooled(inception(top, "4e", 256, 160, 320, 32, 128, 128), "pool4/3x3_s2")
    top = inception(top, "5a", 256, 160, 320, 32, 128, 128)
    top = inception(top, "5b", 384, 192, 384, 48, 128, 128)
    n["pool5/7x7_s1"] = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=7, stride=1)
    n["pool5/drop_7x7_s1"] = L.Dropout(n["pool5/7x7_s1"], dropout_ratio=0.4, in_place=True)
    n["loss3/classifier"] = L.InnerProduct(
        n["pool5/drop_7x7_s1"],
        param=LEARN,
        num_output=1000,
        weight_filler=dict(type="xavier"),
        bias_filler=dict(type="constant", value=0),
    )
    n.prob = L.Softmax(n["loss3/classifier"])
    net = n.to_proto()
    net.name = "GoogleNet"
    return net


@pytest.mark.parametrize(
    ("make", "file"),
    [(caffenet, "bvlc_reference_caffenet/train_val.prototxt"), (googlenet, "bvlc_googlenet/deploy.prototxt")],
)
def test_the_reference_models_written_in_python(shared: Path, make: Callable[[], Any], file: str) -> None:
    assert str(make()) == str(parsed((shared / "prototxt" / "BVLC+caffe" / "models" / file).read_text()))


def test_enums_have_short_names() -> None:
    assert P.Pooling.AVE == caffe_pb2.PoolingParameter.AVE == 1
    assert P.Data.LMDB == caffe_pb2.DataParameter.LMDB
    assert "Pooling" in dir(P)
    assert "Pooling" in dir(caffe.net_spec.layers)
    with pytest.raises(AttributeError):
        P.Nothing  # noqa: B018


def test_notebooks_ask_for_no_layers() -> None:
    assert not hasattr(caffe.net_spec.layers, "_repr_html_")
    assert not hasattr(L, "no_such_family")


def test_assign_proto_works_on_any_message() -> None:
    solver = caffe_pb2.SolverParameter()
    assign_proto(solver, "test_iter", 10)
    assign_proto(solver, "base_lr", np.float32(0.5))
    assign_proto(solver, "net_param", dict(name="n", layer=[dict(name="a"), dict(name="b")]))
    assert list(solver.test_iter) == [10]
    assert solver.base_lr == 0.5
    assert [layer.name for layer in solver.net_param.layer] == ["a", "b"]
