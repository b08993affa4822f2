"""Layers written in Python with the protocol of pycaffe.

In the prototxt::

    layer {
      name: "loss" type: "Python" bottom: "score" bottom: "target" top: "loss" loss_weight: 1
      python_param { module: "pyloss" layer: "EuclideanLossLayer" param_str: "..." }
    }
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from caffe_sdk.blob import Blob
from caffe_sdk.engine import Engine
from caffe_sdk.errors import CaffeError, LayerError, also
from caffe_sdk.layers import base
from caffe_sdk.layers.base import Arity, Parameter, layer
from caffe_sdk.layers.plugins import told, user_module
from caffe_sdk.memory import Array, Shape


class BlobVec(list[Blob]):
    """Parameter blobs of a layer written in Python."""

    def add_blob(self, *shape: int) -> None:
        """Add a parameter of zeros; its first values are what `Layer.setup` writes into it."""
        self.append(Blob(shape))


class Layer:
    """Base class of layers written in Python: pycaffe's ``caffe.Layer``.

    ``bottom`` and ``top`` are blobs with ``data``, ``diff``, ``shape`` and ``reshape``; ``param_str`` and ``phase`` are
    set when `setup` is called. An exception arrives as its own type, and says layer, file and line; it is a LayerError
    besides.
    """

    param_str = ""
    phase = 0
    type = "Python"

    def __init__(self, param: Any = None) -> None:
        """``param`` is the LayerParameter."""
        self.blobs = BlobVec()

    @property
    def param_str_(self) -> str:
        """``param_str``, as Caffe called it until 2015."""
        return self.param_str

    def setup(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Called once: check what the layer is given, add parameters with ``self.blobs.add_blob``."""

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Give the tops their shapes, by the bottoms' shapes. Called before every forward pass."""
        raise NotImplementedError("a layer must define reshape(self, bottom, top)")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Write ``top[i].data``."""
        raise NotImplementedError("a layer must define forward(self, bottom, top)")

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Write ``bottom[i].diff`` where ``propagate_down[i]``, and add to the diffs of ``self.blobs``."""
        raise NotImplementedError("a layer with gradients must define backward(self, top, propagate_down, bottom)")


@layer("Python")
class Python(base.Layer):
    """Whatever the class ``layer`` of ``module`` computes.  any -> any

    The class derives from ``caffe_sdk.Layer``. The module is looked for in sys.path and in the working directory. The
    object, `instance`, lends its attributes to this layer: ``net.layers[0].some_method()`` reaches it.

    Shapes are found by `Layer.setup`, called this once, and `Layer.reshape`, on blobs of no other use.
    """

    bottoms = Arity(0, None)
    tops = Arity(0, None)
    on_host = True
    in_place = True

    def setup(self, config: Any) -> None:
        self.param = config.python_param
        given = bool(self.param.module and self.param.layer)
        self.check(given, "has no python_param with module and layer", "name the module and the class in it")
        module = user_module(self.param.module, self.where)
        self._file: str | None = getattr(module, "__file__", None)
        cls = getattr(module, self.param.layer, None)
        if not (isinstance(cls, type) and issubclass(cls, Layer)):
            what = f"{self.param.module} has no class '{self.param.layer}' that derives from caffe_sdk.Layer"
            classes = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, Layer)]
            names = ", ".join(c.__name__ for c in classes if c is not Layer)
            raise LayerError(self.where, what, f"there are: {names or 'none'}")
        self.instance: Any = None
        self.instance = self._call(cls, config)
        self.instance.param_str = self.param.param_str
        self.instance.phase = int(self.phase)
        self._scratch: list[Blob] | None = None

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = [Blob(shape, name=name) for shape, name in zip(bottoms, self.config.bottom, strict=True)]
        if self._scratch is None:
            self._scratch = [Blob(name=name) for name in self.config.top]
            self._call(self.instance.setup, bottom, self._scratch)
        self._call(self.instance.reshape, bottom, self._scratch)
        return [blob.shape for blob in self._scratch]

    def parameters(self, bottoms: Sequence[Shape]) -> list[Parameter]:
        return [Parameter(blob.shape, functools.partial(_put, blob)) for blob in self.instance.blobs]

    def reshape(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.instance.blobs[:] = self.blobs

    def forward(self, engine: Engine, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._call(self.instance.reshape, bottom, top)
        self._call(self.instance.forward, bottom, top)

    def backward(self, engine: Engine, top: Sequence[Blob], needs: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self._call(self.instance.backward, top, list(needs), bottom)

    def _call(self, function: Any, *arguments: Any) -> Any:
        """Call something of the user's."""
        try:
            return function(*arguments)
        except CaffeError as error:
            raise error.at(self.where) from error
        except Exception as error:
            name = f"{self.param.module}.{self.param.layer}.{getattr(function, '__name__', '__init__')}"
            what = f"{name} raised {told(error, self._file)}"
            raise also(LayerError(self.where, what, "correct the layer"), error) from error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self.__dict__.get("instance") is None:
            raise AttributeError(f"'Python' layer has no attribute '{name}'")
        return getattr(self.instance, name)


def _put(blob: Blob, array: Array) -> None:
    """The first values of a parameter, as `Layer.setup` left them."""
    array[...] = blob.data
