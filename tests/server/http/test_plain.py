from __future__ import annotations

from caffe_sdk.server.http.plain import plain
from caffe_sdk.server.inference import pb


def test_plain_fields_are_always_there_and_others_when_they_are_set() -> None:
    assert plain(pb.ModelQueuePolicy(max_queue_size=7)) == {
        "timeout_action": "REJECT",
        "default_timeout_microseconds": 0,
        "allow_timeout_override": False,
        "max_queue_size": 7,
    }
    config = pb.ModelConfig(name="m")
    config.parameters["a"].string_value = "b"
    config.input.add(name="data", dims=[2**40])
    found = plain(config)
    assert found["parameters"] == {"a": {"string_value": "b"}}
    assert found["input"] == [{"name": "data", "data_type": "TYPE_INVALID", "format": "FORMAT_NONE", "dims": [2**40]}]
    assert "dynamic_batching" not in found
    config.dynamic_batching.SetInParent()
    assert plain(config)["dynamic_batching"]["preferred_batch_size"] == []
