"""cuDNN's C library: found, its version checked, its functions as calls that raise DeviceErrors."""

from __future__ import annotations

import ctypes
import logging
from ctypes import POINTER, c_char_p, c_double, c_int, c_size_t, c_uint, c_void_p
from typing import Any

from caffe_sdk.engine.cuda.libraries import declare, load
from caffe_sdk.errors import DeviceError

log = logging.getLogger(__name__)

MAJOR = 9
REMEDY = "pip install 'nvidia-cudnn-cu12>=9' (cu13 for CUDA 13), or set CAFFE_CUDNN=0 to do without"
BAD_PARAM, NOT_SUPPORTED = range(2000, 3000), range(3000, 4000)
"""Every CUDNN_STATUS_BAD_PARAM_... and CUDNN_STATUS_NOT_SUPPORTED_..."""
ALLOCATION_FAILED = (4003, 4004)
"""CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED, and DEVICE_: memory that ends."""
MOST_WORDS = 1024

_numbers = POINTER(c_int)
_made = (POINTER(c_void_p),)
_gone = (c_void_p,)
_asked = (*(c_void_p,) * 5, c_int, _numbers, c_void_p)
_searched = (*(c_void_p,) * 8, c_int, _numbers, c_void_p, c_void_p, c_size_t)
_sized = (*(c_void_p,) * 5, c_int, POINTER(c_size_t))
_run = (*(c_void_p,) * 7, c_int, c_void_p, c_size_t, c_void_p, c_void_p, c_void_p)

_of_one = (c_void_p,) * 6  # a factor, x with its descriptor, another factor, y with its own
_of_two = (c_void_p,) * 8
_of_three = (c_void_p,) * 10

PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "cudnnGetVersion": (),
    "cudnnGetErrorString": (c_int,),
    "cudnnGetLastErrorString": (c_char_p, c_size_t),
    "cudnnCreate": _made,
    "cudnnSetStream": (c_void_p, c_void_p),
    "cudnnCreateTensorDescriptor": _made,
    "cudnnSetTensorNdDescriptorEx": (c_void_p, c_int, c_int, c_int, _numbers),
    "cudnnDestroyTensorDescriptor": _gone,
    "cudnnCreateFilterDescriptor": _made,
    "cudnnSetFilterNdDescriptor": (c_void_p, c_int, c_int, c_int, _numbers),
    "cudnnDestroyFilterDescriptor": _gone,
    "cudnnCreateConvolutionDescriptor": _made,
    "cudnnSetConvolutionNdDescriptor": (c_void_p, c_int, _numbers, _numbers, _numbers, c_int, c_int),
    "cudnnSetConvolutionGroupCount": (c_void_p, c_int),
    "cudnnSetConvolutionMathType": (c_void_p, c_int),
    "cudnnGetConvolutionNdForwardOutputDim": (c_void_p, c_void_p, c_void_p, c_int, _numbers),
    "cudnnDestroyConvolutionDescriptor": _gone,
    "cudnnCreateActivationDescriptor": _made,
    "cudnnSetActivationDescriptor": (c_void_p, c_int, c_int, c_double),
    "cudnnDestroyActivationDescriptor": _gone,
    "cudnnGetConvolutionForwardAlgorithm_v7": _asked,
    "cudnnFindConvolutionForwardAlgorithmEx": _searched,
    "cudnnGetConvolutionForwardWorkspaceSize": _sized,
    "cudnnConvolutionForward": _run,
    "cudnnConvolutionBiasActivationForward": (
        *(*(c_void_p,) * 7, c_int, c_void_p, c_size_t, c_void_p),
        *(c_void_p,) * 7,
    ),
    "cudnnGetConvolutionBackwardDataAlgorithm_v7": _asked,
    "cudnnFindConvolutionBackwardDataAlgorithmEx": _searched,
    "cudnnGetConvolutionBackwardDataWorkspaceSize": _sized,
    "cudnnConvolutionBackwardData": _run,
    "cudnnGetConvolutionBackwardFilterAlgorithm_v7": _asked,
    "cudnnFindConvolutionBackwardFilterAlgorithmEx": _searched,
    "cudnnGetConvolutionBackwardFilterWorkspaceSize": _sized,
    "cudnnConvolutionBackwardFilter": _run,
    "cudnnCreatePoolingDescriptor": _made,
    "cudnnSetPoolingNdDescriptor": (c_void_p, c_int, c_int, c_int, _numbers, _numbers, _numbers),
    "cudnnGetPoolingNdForwardOutputDim": (c_void_p, c_void_p, c_int, _numbers),
    "cudnnDestroyPoolingDescriptor": _gone,
    "cudnnPoolingForward": (c_void_p, c_void_p, *_of_one),
    "cudnnPoolingBackward": (c_void_p, c_void_p, *_of_three),
    "cudnnCreateLRNDescriptor": _made,
    "cudnnSetLRNDescriptor": (c_void_p, c_uint, c_double, c_double, c_double),
    "cudnnDestroyLRNDescriptor": _gone,
    "cudnnLRNCrossChannelForward": (c_void_p, c_void_p, c_int, *_of_one),
    "cudnnLRNCrossChannelBackward": (c_void_p, c_void_p, c_int, *_of_three),
    "cudnnBatchNormalizationForwardInference": (c_void_p, c_int, *(c_void_p,) * 11, c_double),
    "cudnnActivationForward": (c_void_p, c_void_p, *_of_one),
    "cudnnActivationBackward": (c_void_p, c_void_p, *_of_three),
    "cudnnSoftmaxForward": (c_void_p, c_int, c_int, *_of_one),
    "cudnnSoftmaxBackward": (c_void_p, c_int, c_int, *_of_two),
}
"""The functions used (cudnn_graph.h, cudnn_ops.h, cudnn_cnn.h). Most return a cudnnStatus_t, 0 for success."""
RESULTS: dict[str, Any] = {
    "cudnnGetVersion": c_size_t,
    "cudnnGetErrorString": c_char_p,
    "cudnnGetLastErrorString": None,
}
"""What the others return."""


class DnnError(DeviceError):
    """What cuDNN answered; ``number`` is the cudnnStatus_t."""

    def __init__(self, function: str, status: int, words: str) -> None:
        remedy = "use a smaller batch or input, or " if status in ALLOCATION_FAILED else ""
        super().__init__("GPU", f"{function}: {words}", f"{remedy}set CAFFE_CUDNN=0 to do without cuDNN")
        self.number = status

    def refuses(self) -> bool:
        """Whether cuDNN does not take this, so that it is to be computed without; else something is wrong.

        It says so of what it does not support. Where it does not like how it is asked, the log tells.
        """
        if self.number in BAD_PARAM:
            log.warning("computed without cuDNN, for it does not take it: %s", self.what)
        return self.number in NOT_SUPPORTED or self.number in BAD_PARAM


class Dnn:
    """cuDNN's functions. DeviceError for a version whose functions are not these."""

    def __init__(self, library: ctypes.CDLL) -> None:
        declare(library, PROTOTYPES, "cuDNN")
        for name, kind in RESULTS.items():
            getattr(library, name).restype = kind
        self._library = library
        number = library.cudnnGetVersion()
        major, rest = divmod(number, 10000) if number >= 10000 else divmod(number, 1000)
        self.version = f"{major}.{rest // 100}.{rest % 100}"
        if major != MAJOR:
            raise DeviceError("GPU", f"cuDNN {self.version} is here, and {MAJOR} is called for", REMEDY)

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function. DnnError for any status but success."""
        status = getattr(self._library, name)(*arguments)
        if status:
            raise DnnError(name, status, self._words(status))

    def made(self, name: str, *arguments: Any) -> c_void_p:
        """What a function makes, whose handle it stores at its first argument."""
        handle = c_void_p()
        self.call(name, ctypes.byref(handle), *arguments)
        return handle

    def destroy(self, name: str, handle: c_void_p) -> None:
        """Give something back, without a word: nothing could be done about it."""
        getattr(self._library, name)(handle)

    def _words(self, status: int) -> str:
        name = self._library.cudnnGetErrorString(status) or b""
        more = ctypes.create_string_buffer(MOST_WORDS)
        self._library.cudnnGetLastErrorString(more, MOST_WORDS)
        words = [part.decode(errors="replace").strip() for part in (name, more.value)]
        return ": ".join(filter(None, words)) or f"status {status}"


def library() -> ctypes.CDLL:
    """cuDNN 9's library, of pip's wheels or of the system. DeviceError where there is none."""
    return load("cudnn", (MAJOR,), "convolving by cuDNN", REMEDY)
