"""The table of pycaffe's names: each is there, and so are the tests that it names."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import pytest

import caffe_sdk
import caffe_sdk as caffe
from caffe_sdk import layers as L
from caffe_sdk.errors import DeviceError
from caffe_sdk.net.named import Named

ROWS = re.findall(
    r"^\| (`.*?) \| .*? \| (`.*?) \|$",
    (Path(caffe_sdk.__file__).parents[1] / "docs" / "pycaffe.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def names(cell: str) -> list[str]:
    return re.findall(r"`(\w[\w./]*)`", cell)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: names(row[0])[0])
def test_each_name_is_there_and_tested(row: tuple[str, str], root: Path) -> None:
    found, files = map(names, row)
    for name in found:
        assert functools.reduce(getattr, name.split("."), caffe_sdk) is not None
    tests = "".join((root / "tests" / file).read_text(encoding="utf-8") for file in files)
    for name in found:
        word = name.rpartition(".")[2].removesuffix("Solver")
        assert re.search(rf"\b{word}", tests), f"{name} does not occur in {files}"


def test_the_table_has_every_public_name() -> None:
    written = {name for row in ROWS for name in names(row[0])}
    own = {"CaffeError", "Preprocessing", "install_as_caffe", "set_precision"}  # not pycaffe's
    assert set(caffe_sdk.__all__) - written <= own


def test_what_scripts_reach_in_a_net_though_it_is_private() -> None:
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3]})
    n.a = L.ReLU(n.data)
    n.b = L.Eltwise(n.data, n.a)
    with caffe.Net(n.to_proto(), caffe.TEST) as net:
        assert net._layer_names == ["data", "data_data_0_split", "a", "b"]
        assert net._blob_names == ["data", "data_data_0_split_0", "data_data_0_split_1", "a", "b"]
        assert [net._bottom_ids(i) for i in range(4)] == [[], [0], [1], [2, 3]]
        assert [net._top_ids(i) for i in range(4)] == [[0], [1, 2], [3], [4]]
        assert (net._inputs, net._outputs) == ([0], [4])
        batches = list(net._batch({"data": np.ones((3, 3))}))
    assert [batch["data"].sum() for batch in batches] == [6, 3]
    assert all(batch["data"].shape == (2, 3) for batch in batches)


def test_scripts_of_python_2_read_what_a_net_has() -> None:
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [2, 3]})
    n.ip = L.InnerProduct(n.data, num_output=1)
    with caffe.Net(n.to_proto(), caffe.TEST) as net:
        assert isinstance(net.blobs, Named)
        for named in (net.blobs, net.params, net.layer_dict, net.top_names, net.bottom_names, net.blob_loss_weights):
            assert list(named.iteritems()) == list(named.viewitems()) == list(named.items())
            assert list(named.iterkeys()) == list(named.viewkeys()) == list(named)
            assert list(named.itervalues()) == list(named.viewvalues()) == list(named.values())
            assert named.has_key("ip") is True
            assert named.has_key("pi") is False


def test_addresses_on_a_gpu() -> None:
    blob = caffe.Blob((2,), name="b")
    for pointer in ("_gpu_data_ptr", "_gpu_diff_ptr"):
        with pytest.raises(DeviceError, match="blob 'b': shows no addresses of GPUs"):
            getattr(blob, pointer)
