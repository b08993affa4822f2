"""Which layers a net has: phase, level and stages against each layer's include and exclude rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from caffe_sdk.errors import GraphError
from caffe_sdk.schema.messages import NetParameter, NetState


def net_state(net: Any, phase: int, level: int, stages: Sequence[str]) -> Any:
    """The NetState a net is built in: what the caller asks for, merged over what the net itself says."""
    state = NetState()
    state.CopyFrom(net.state)
    state.phase = phase
    if level or not state.HasField("level"):
        state.level = level
    state.stage.extend(stage for stage in stages if stage not in state.stage)
    return state


def matches(rule: Any, state: Any) -> bool:
    """Whether a NetStateRule holds: phase, level range, all of its stages, none of its not_stages."""
    stages = set(state.stage)
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and stages.issuperset(rule.stage)
        and stages.isdisjoint(rule.not_stage)
    )


def included(layer: Any, state: Any) -> bool:
    """Whether a layer is part of a net in this state: by any include rule, or unless by any exclude rule."""
    if layer.include and layer.exclude:
        raise GraphError(
            f"layer '{layer.name}'",
            "Specify either include rules or exclude rules; not both.",
            "remove its include or its exclude",
        )
    if layer.include:
        return any(matches(rule, state) for rule in layer.include)
    return not any(matches(rule, state) for rule in layer.exclude)


def filter_net(net: Any, state: Any) -> Any:
    """A copy of a NetParameter with only the layers of this state, each with its phase set."""
    filtered = without_layers(net)
    filtered.state.CopyFrom(state)
    for layer in net.layer:
        if included(layer, state):
            kept = filtered.layer.add()
            kept.CopyFrom(layer)
            if not kept.HasField("phase"):
                kept.phase = state.phase
    return filtered


def without_layers(net: Any) -> Any:
    """A copy of a NetParameter but for its layers: a message keeps the memory of what is copied and then deleted."""
    bare = NetParameter()
    for field, value in net.ListFields():
        if field.name == "layer":
            continue
        if field.is_repeated:
            getattr(bare, field.name).MergeFrom(value)
        elif field.message_type is not None:
            getattr(bare, field.name).CopyFrom(value)
        else:
            setattr(bare, field.name, value)
    return bare
