"""cuDNN is found, is of the version that is called, and says what is wrong."""

from __future__ import annotations

import ctypes

import pytest

from caffe_sdk.engine.cuda.dnn import library
from caffe_sdk.engine.cuda.dnn.library import PROTOTYPES, Dnn, DnnError
from caffe_sdk.errors import DeviceError
from tests.engine.cuda.mocked import fail, mock


@pytest.fixture(autouse=True)
def _as_it_was():
    yield
    mock().mock_dnn_set(ctypes.c_size_t(91002), 0)


def test_the_mock_has_every_function_that_is_called():
    for name in PROTOTYPES:
        assert getattr(mock(), name)


def test_the_version_is_told():
    assert Dnn(mock()).version == "9.10.2"


@pytest.mark.parametrize(("number", "words"), [(8907, "8.9.7"), (7605, "7.6.5"), (100100, "10.1.0")])
def test_another_version_is_refused(number, words):
    mock().mock_dnn_set(ctypes.c_size_t(number), 0)
    with pytest.raises(DeviceError, match=f"GPU: cuDNN {words} is here, and 9 is called for; .*CAFFE_CUDNN=0"):
        Dnn(mock())


def test_what_it_answers_is_said_in_its_words(caplog):
    dnn = Dnn(mock())
    fail("cudnnCreateTensorDescriptor", 4003)
    with pytest.raises(
        DnnError, match="GPU: cudnnCreateTensorDescriptor: CUDNN_STATUS_ALLOC_FAILED; use a smaller batch"
    ) as told:
        dnn.made("cudnnCreateTensorDescriptor")
    assert told.value.number == 4003
    assert not told.value.refuses()
    handle = dnn.made("cudnnCreateTensorDescriptor")
    words = r"^GPU: cudnnSetTensorNdDescriptorEx: CUDNN_STATUS_BAD_PARAM: .*rank >= 4"
    with pytest.raises(DnnError, match=words) as told:
        dnn.call("cudnnSetTensorNdDescriptorEx", handle, 0, 0, 3, (ctypes.c_int * 3)(1, 1, 1))
    dnn.destroy("cudnnDestroyTensorDescriptor", handle)
    assert not caplog.records
    assert told.value.refuses()
    assert [record.getMessage().split(": ")[:2] for record in caplog.records] == [
        ["computed without cuDNN, for it does not take it", "cudnnSetTensorNdDescriptorEx"]
    ]
    assert DnnError("f", 3007, "").refuses()
    assert len(caplog.records) == 1


def test_a_library_that_is_nowhere_says_what_to_install(monkeypatch):
    monkeypatch.setattr(
        "caffe_sdk.engine.cuda.libraries.candidates", lambda name, versions: [f"no-{name}.so.{versions[0]}"]
    )
    with pytest.raises(
        DeviceError, match=r"convolving by cuDNN needs libcudnn.so.9, which is nowhere here; pip install"
    ):
        library.library()
