"""NetSpec: nets written in Python, as pycaffe has it.

::

    from caffe_sdk import NetSpec, layers as L, params as P

    n = NetSpec()
    n.data, n.label = L.Data(source="train_lmdb", backend=P.Data.LMDB, batch_size=64, ntop=2)
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    print(n.to_proto())

A layer takes the name of its first top, and a top that of the attribute it was assigned to. A top that was assigned to
none is called after its layer's type and a number: ``Convolution1``.
"""

from __future__ import annotations

import difflib
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from caffe_sdk.errors import ArgumentError, LayerError, also
from caffe_sdk.schema import messages
from caffe_sdk.schema.messages import LayerParameter, NetParameter

INTEGERS = (
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
)
WITHOUT_PARAMETERS = (
    *("AbsVal", "BNLL", "BatchReindex", "Deconvolution", "EuclideanLoss", "Filter", "Im2col", "LSTM", "LSTMUnit"),
    *("MultinomialLogisticLoss", "RNN", "SigmoidCrossEntropyLoss", "Silence", "SoftmaxWithLoss", "Split"),
)
"""Layer types that have no parameters of their own name; what `param_name_dict` does not tell of."""


class Top:
    """Output number ``n`` of the layer ``fn``, to be given to other layers."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn, self.n = fn, n

    def to_proto(self) -> Any:
        """The NetParameter of this top and all it is made from."""
        return to_proto(self)

    def __repr__(self) -> str:
        return f"<Top {self.n} of {self.fn.type_name}>"


class Function:
    """A layer: its type, the tops it takes, and its parameters as they will stand in the prototxt.

    ``ntop`` (1 by default) and ``in_place`` are taken out of ``params``. Raises ArgumentError for an input that is not
    a `Top` (a TypeError too), and where there are to be more tops than can be.
    """

    def __init__(self, type_name: str, inputs: Iterable[Any], params: dict[str, Any]) -> None:
        self.type_name = type_name
        self.inputs: tuple[Top, ...] = tuple(inputs)
        for i, given in enumerate(self.inputs):
            if not isinstance(given, Top):
                wrong = ArgumentError("", f"{type_name} input {i} is not a Top (type is {type(given)})")
                raise also(wrong, TypeError())  # which it is in pycaffe, in these words
        self.params = dict(params)
        self.ntop: int = self.params.pop("ntop", 1)
        self.in_place: bool = self.params.pop("in_place", False)
        if not isinstance(self.ntop, int) or self.ntop < 0 or (self.in_place and self.ntop > len(self.inputs)):
            most = f"at most {len(self.inputs)}, as many as there are inputs" if self.in_place else "a number of tops"
            raise ArgumentError(type_name, f"ntop={self.ntop!r} makes no sense", f"give {most}")
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def __repr__(self) -> str:
        return f"<Function {self.type_name}: {len(self.inputs)} inputs, {self.ntop} tops>"


class NetSpec:
    """A net in the making: assign what a layer returns to attributes or items, and ask for `to_proto`.

    ``tops`` has what was assigned, by name and in order.
    """

    tops: OrderedDict[str, Any]

    def __init__(self) -> None:
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name == "tops" or name not in self.tops:  # "tops": a copy in the making has none yet
            raise AttributeError(f"NetSpec has no top {name!r}")
        return self.tops[name]

    def __delattr__(self, name: str) -> None:
        del self[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getitem__(self, name: str) -> Any:
        if name not in self.tops:
            raise ArgumentError("NetSpec", f"there is no top '{name}'{_closest(name, self.tops)}")
        return self.tops[name]

    def __delitem__(self, name: str) -> None:
        self[name]
        del self.tops[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tops

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.tops]

    def __repr__(self) -> str:
        return f"<NetSpec: {', '.join(self.tops)}>"

    def to_proto(self) -> Any:
        """The NetParameter of every top assigned, and of all they are made from.

        Raises:
            LayerError: a parameter that its layer does not have, or with a value it cannot take.
            ArgumentError: something was assigned that is neither a top nor a layer without tops.
        """
        for name, top in self.tops.items():
            if not isinstance(top, Top | Function):
                several = isinstance(top, tuple) and all(isinstance(each, Top) for each in top)
                what = f"{len(top)} tops" if several else f"a value of type {type(top).__name__}, not a top"
                raise ArgumentError("NetSpec", f"'{name}' was assigned {what}", "give each top a name: n.a, n.b = ...")
        return _net(self.tops.values(), {top: name for name, top in self.tops.items()})


def to_proto(*tops: Any) -> Any:
    """The NetParameter of these tops and all they are made from, with names of its own. Raises LayerError."""
    return _net(tops, {})


def _net(tops: Iterable[Top | Function], names: dict[Top | Function, str]) -> Any:
    """The net of the layers that ``tops`` come from, each after those it takes from."""
    numbers: Counter[str] = Counter()
    made: dict[Function, Any] = {}

    def name_of(what: Top | Function, type_name: str) -> str:
        if what not in names:
            numbers[type_name] += 1
            names[what] = f"{type_name}{numbers[type_name]}"
        return names[what]

    for top in tops:
        for fn in _in_order(top.fn if isinstance(top, Top) else top, made):
            layer = LayerParameter(type=fn.type_name)
            layer.bottom.extend(made[given.fn].top[given.n] for given in fn.inputs)
            layer.top.extend(layer.bottom if fn.in_place else [name_of(each, fn.type_name) for each in fn.tops])
            layer.name = name_of(fn.tops[0] if fn.tops else fn, fn.type_name)
            _assign_params(layer, fn.params)
            made[fn] = layer
    return NetParameter(layer=made.values())


def _in_order(last: Function, made: dict[Function, Any]) -> list[Function]:
    """The functions that ``last`` is made from and that are not in ``made``, itself at the end.

    In the order of a walk that visits inputs first, from left to right; with a stack of its own, as nets are deep.
    """
    order: list[Function] = []
    seen = set(made)
    waiting = [(last, False)]
    while waiting:
        fn, ready = waiting.pop()
        if ready:
            order.append(fn)
        elif fn not in seen:
            seen.add(fn)
            waiting.append((fn, True))
            waiting.extend((given.fn, False) for given in reversed(fn.inputs))
    return order


# Parameters


def param_name_dict() -> dict[str, str]:
    """For each layer type with parameters of its own the name of their message: {'Convolution': 'convolution', ...}.

    The layer type is in the name of the message's type (ConvolutionParameter), the name in that of LayerParameter's
    field (convolution_param). Some pairs belong to no layer: {'Transformation': 'transform'}.
    """
    fields = [field for field in LayerParameter.DESCRIPTOR.fields if field.name.endswith("_param")]
    return {f.message_type.name.removesuffix("Parameter"): f.name.removesuffix("_param") for f in fields}


_param_names = param_name_dict()


def _assign_params(layer: Any, params: dict[str, Any]) -> None:
    """Keyword arguments of a layer: whatever ends in 'param' is a field of the layer, the rest of its own parameters
    where they have such a field, else of the layer.
    """
    try:
        for name, value in params.items():
            field = f"{_param_names.get(layer.type, '')}_param"
            own = None if name.endswith("param") else layer.DESCRIPTOR.fields_by_name.get(field)
            if own is None or name not in own.message_type.fields_by_name:
                _check_layer_field(layer, name, own)
                assign_proto(layer, name, value)
            else:
                assign_proto(getattr(layer, field), name, value)
    except LayerError as error:
        raise error.at(f"layer '{layer.name}' ({layer.type})") from None


def _check_layer_field(layer: Any, name: str, own: Any) -> None:
    """LayerError where neither a layer nor its own parameters know a name."""
    fields = layer.DESCRIPTOR.fields_by_name
    if name in fields:
        return
    known = [*(own.message_type.fields_by_name if own is not None else ()), *fields]
    close = difflib.get_close_matches(name, known, 1)
    inside = [f.name for f in fields.values() if f.message_type and name in f.message_type.fields_by_name]
    if close:
        remedy = f"did you mean '{close[0]}'?"
    elif inside and own is None:
        remedy = f"write {inside[0]}=dict({name}=...)"
    else:
        remedy = "leave it out"
    raise LayerError("", f"there is no parameter '{name}'", remedy)


def assign_proto(proto: Any, name: str, val: Any) -> None:
    """Set a field of a message from Python values: a dict fills a message, a list a repeated field.

    A single value given to a repeated field is a list of one. NumPy's scalars and arrays count as Python's, and so does
    a float without fraction where a whole number is wanted. Raises LayerError for a field that is not there, and for
    values that it cannot hold.
    """
    kind = proto.DESCRIPTOR
    field = kind.fields_by_name.get(name)
    if field is None:
        raise LayerError(kind.name, f"there is no field '{name}'{_closest(name, kind.fields_by_name)}")
    if hasattr(val, "tolist"):
        val = val.tolist()
    try:
        if not field.is_repeated:
            _assign_single(proto, field, val)
            return
        values = val if isinstance(val, list | tuple) else [val]
        target = getattr(proto, name)
        if field.message_type is None:
            target.extend(_number(field, each) for each in values)
            return
        for each in values:
            _fill(target.add(), each)
    except (TypeError, ValueError, AttributeError) as error:
        raise LayerError(kind.name, f"'{name}' cannot be {val!r}: {error}") from None


def _assign_single(proto: Any, field: FieldDescriptor, val: Any) -> None:
    if field.message_type is None:
        setattr(proto, field.name, _number(field, val))
    else:
        _fill(getattr(proto, field.name), val)


def _fill(message: Any, val: Any) -> None:
    """Fill a message inside another from a dict, or from a message of its kind."""
    if isinstance(val, Message):
        message.MergeFrom(val)
    elif isinstance(val, dict):
        for name, value in val.items():
            assign_proto(message, name, value)
    else:
        raise TypeError(f"it is a {message.DESCRIPTOR.name}: give a dict")


def _number(field: FieldDescriptor, val: Any) -> Any:
    whole = field.cpp_type in INTEGERS and isinstance(val, float) and val.is_integer()
    return int(val) if whole else val


def _closest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), list(known), 1)
    return f"; did you mean '{close[0]}'?" if close else ""


# What scripts import as L and P


class Layers:
    """``L.Convolution(bottom, ..., num_output=20)``: a layer of any type. It returns its top, a tuple of them where
    ``ntop`` is above 1, or the `Function` where it is 0.
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):  # what notebooks and copies ask for is no layer
            raise AttributeError(name)

        def make(*args: Any, **kwargs: Any) -> Any:
            fn = Function(name, args, kwargs)
            return fn.tops[0] if fn.ntop == 1 else fn.tops if fn.ntop else fn

        make.__name__ = make.__qualname__ = name
        return make

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_param_names, *WITHOUT_PARAMETERS]


class Parameters:
    """``P.Pooling.MAX``: the value of an enum in a layer's parameters (here of PoolingParameter)."""

    def __getattr__(self, name: str) -> Any:
        return getattr(messages, f"{name}Parameter")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_param_names]


layers = Layers()
params = Parameters()
