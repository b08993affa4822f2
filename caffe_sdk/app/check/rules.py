"""Rules about nets: functions from a `Subject` to what they find. A new one needs ``@rule`` and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from caffe_sdk.app.check.subject import HINT, WARNING, End, Finding, Subject, is_loss, loss_weights
from caffe_sdk.app.stand_ins import PARAMETERS
from caffe_sdk.layers import REGISTRY

Found = Iterator[tuple[str, str, str, str]]
"""Layer, what, remedy and severity of each finding."""
RuleFunction = Callable[[Subject], Found]

RULES: dict[str, RuleFunction] = {}
"""Rules by name."""

SOURCES = (*PARAMETERS, "DummyData", "Input", "MemoryData", "Parameter")
LEARNING = {
    "Convolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "Embed": "embed_param",
    "InnerProduct": "inner_product_param",
    "LSTM": "recurrent_param",
    "RNN": "recurrent_param",
}
"""Layers whose weights begin as zeros unless a weight_filler says otherwise, with the field that holds it."""
LINEAR = ("Convolution", "Deconvolution", "InnerProduct", "Scale")
ADDED_SOFTMAX = {
    "SoftmaxWithLoss": "Softmax",
    "InfogainLoss": "Softmax",
    "Softmax": "Softmax",
    "SigmoidCrossEntropyLoss": "Sigmoid",
}
"""Layers that apply a function themselves, which so should not be applied before."""


def rule(name: str) -> Callable[[RuleFunction], RuleFunction]:
    """Register a function as the rule of a name: ``@rule("softmax_twice")``."""

    def register(function: RuleFunction) -> RuleFunction:
        RULES[name] = function
        return function

    return register


def apply(subject: Subject) -> list[Finding]:
    """What all rules find."""
    return [Finding(name, *found) for name, function in RULES.items() for found in function(subject)]


# -- batch normalisation ---------------------------------------------------------------------------------------------


@rule("batch_norm_without_scale")
def batch_norm_without_scale(subject: Subject) -> Found:
    """BatchNorm only normalises; scale and shift are learned by a Scale layer, or by a linear layer behind it."""
    for i, layer in subject.of_type("BatchNorm"):
        behind = [subject.layers[use.layer].type for use in subject.uses[End(i, 0)]]
        if behind and not all(kind in LINEAR for kind in behind):
            what = f"normalises and does not scale: {', '.join(sorted(set(behind)))} comes next"
            remedy = "put a Scale layer with scale_param { bias_term: true } behind it"
            yield layer.name, what, remedy, WARNING


@rule("frozen_statistics")
def frozen_statistics(subject: Subject) -> Found:
    """In training BatchNorm is to use the batch's statistics, in testing the stored ones."""
    for _, layer in subject.of_type("BatchNorm"):
        param = layer.batch_norm_param
        if not param.HasField("use_global_stats") or param.use_global_stats != subject.training:
            continue
        if subject.training:
            what = "trains with use_global_stats: true: stored statistics are used and never updated"
            remedy = "remove use_global_stats, unless the layer is to stay frozen in finetuning"
        else:
            what = "tests with use_global_stats: false: results depend on what else is in the batch"
            remedy = "remove use_global_stats: stored statistics are then used in phase TEST"
        yield layer.name, what, remedy, WARNING


# -- blobs and losses ------------------------------------------------------------------------------------------------


@rule("unused_blob")
def unused_blob(subject: Subject) -> Found:
    """Blobs that are computed in training and serve nothing; data that nobody takes, in any phase."""
    for end in subject.unused():
        layer = subject.layers[end.layer]
        top = layer.top[end.place]
        if layer.type in SOURCES:
            yield layer.name, f"nobody uses '{top}'", "remove the top, or give it to a Silence layer", WARNING
        elif subject.training and not is_loss(layer) and not _is_result(layer) and not any(loss_weights(layer)):
            remedy = "use it, remove the layer, give it a loss_weight if it is a loss, or give it to a Silence layer"
            yield layer.name, f"computes '{top}' in training and nobody uses it", remedy, WARNING


def _is_result(layer: Any) -> bool:
    """Whether a layer computes something for people to look at: an accuracy, a mask."""
    known = REGISTRY.get(layer.type)
    return known is not None and known.smooth_tops is not None


@rule("loss_without_weight")
def loss_without_weight(subject: Subject) -> Found:
    """Losses that do not count."""
    for layer in subject.layers:
        if is_loss(layer) and not any(loss_weights(layer)):
            yield layer.name, "is a loss of weight 0: it trains nothing", "give it a loss_weight, or leave it out", HINT


@rule("no_loss")
def no_loss(subject: Subject) -> Found:
    """Nets without a loss run backward only by force."""
    if subject.losses or subject.net.force_backward:
        return
    wanted = [layer.name for layer in subject.layers if any(layer.propagate_down)]
    if subject.training and any(layer.type in LEARNING for layer in subject.layers):
        yield "", "has no loss: nothing is learned", "add a loss layer, or a loss_weight", WARNING
    elif wanted:
        what = "propagate_down: true does nothing here: the net has no loss, so nothing runs backward"
        yield wanted[0], what, "add force_backward: true to the net", WARNING
    else:
        what = "has no loss, so backward() gives zeros"
        yield "", what, "add force_backward: true to see gradients of inputs, in saliency maps for example", HINT


@rule("softmax_twice")
def softmax_twice(subject: Subject) -> Found:
    """A function that is applied by a layer and by the loss behind it."""
    for i, layer in subject.of_type(*ADDED_SOFTMAX):
        before = subject.origin(End(i, 0))
        if before is not None and before.type == ADDED_SOFTMAX[layer.type]:
            what = f"applies the {before.type.lower()} itself, and '{before.name}' has applied it already"
            yield layer.name, what, f"take the bottom of '{before.name}' instead of its top", WARNING


# -- learning --------------------------------------------------------------------------------------------------------


@rule("nothing_learns")
def nothing_learns(subject: Subject) -> Found:
    """Rates of 0 everywhere; layers that no loss depends on."""
    if not subject.training or subject.built is None:
        return
    graph = subject.built.graph
    if graph.parameters and not any(parameter.needs for parameter in graph.parameters):
        yield "", "lr_mult is 0 for every parameter: nothing is learned", "give some layer a lr_mult above 0", WARNING
    elif subject.losses:
        for node in graph.nodes:
            if not node.needs and any(graph.parameters[p].needs for p in node.parameters):
                what = "does not learn: no loss depends on it"
                yield node.layer.name, what, "connect it to a loss, or set lr_mult: 0 if that is meant", WARNING


@rule("missing_filler")
def missing_filler(subject: Subject) -> Found:
    """Weights that begin as zeros: then all outputs of a layer are alike and stay alike."""
    if not subject.training or subject.finetunes:
        return
    owners: dict[str, str] = {}
    for layer in subject.layers:
        if layer.type not in LEARNING:
            continue
        name = layer.param[0].name if layer.param else ""
        if layer.blobs or owners.setdefault(name or layer.name, layer.name) != layer.name:
            continue
        filler = getattr(layer, LEARNING[layer.type]).weight_filler
        if filler.type == "constant" and filler.value == 0:
            remedy = 'give weight_filler { type: "xavier" } or load weights before training'
            yield layer.name, "weights begin as zeros: there is no weight_filler", remedy, WARNING
