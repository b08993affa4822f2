from __future__ import annotations

from caffe_sdk.rpc.transport import MAX_MESSAGE, channel_options


def test_messages_may_be_as_large_as_protobuf_allows() -> None:
    assert MAX_MESSAGE == 2**31 - 1
    assert {size for name, size in channel_options() if name.endswith("message_length")} == {MAX_MESSAGE}


def test_the_limit_holds_both_ways() -> None:
    options = dict(channel_options(1000))
    assert options["grpc.max_receive_message_length"] == options["grpc.max_send_message_length"] == 1000
