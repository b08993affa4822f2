"""What a model is and costs, in words: what ``caffe summary`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from caffe_sdk.app.models import PHASES
from caffe_sdk.app.stand_ins import StandIn, with_stand_ins
from caffe_sdk.errors import ArgumentError
from caffe_sdk.graph.state import filter_net, net_state
from caffe_sdk.net import Net
from caffe_sdk.schema import prototxt, upgrade
from caffe_sdk.schema.files import PathLike
from caffe_sdk.schema.messages import NetParameter


def describe(
    model: PathLike, phase: str = "test", weights: str = "", level: int = 0, stages: Sequence[str] = ()
) -> str:
    """The table of a net's layers, shapes, parameters, multiply-adds and memory (see `caffe_sdk.graph.summary`).

    ``weights`` are caffemodels, separated by ',', that must fit; the last lines say which layers they have values for.
    Layers that read what is not there get the shapes they state (see `caffe_sdk.app.stand_ins`), and a line of notice.
    Raises what `Net` does, ArgumentError for an unknown phase.
    """
    if phase not in PHASES:
        raise ArgumentError("phase", f"'{phase}' is no phase", "use 'train' or 'test'")
    config = upgrade.upgrade_net(prototxt.read(model, NetParameter), str(model))
    kept = filter_net(config, net_state(config, PHASES[phase], level, stages))
    described, missing = with_stand_ins(kept)
    with Net(described, PHASES[phase], level, stages, where=str(model)) as net:
        parts = [str(net), *map(_notice, missing)]
        for path in filter(None, weights.split(",")):
            loaded = net.copy_from(path)
            parts.append(f"{path} has weights for {_names(loaded.copied)}; it has none for {_names(loaded.new)}")
    return "\n".join(parts)


def _notice(missing: StandIn) -> str:
    return f"layer '{missing.layer}': '{missing.source}' is not there; the shapes are what the layer states"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "no layer"
