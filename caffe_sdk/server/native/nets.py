"""``caffe_sdk.v1.Nets``: each call turns a request into a call on the session, and its result into a reply."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from caffe_sdk.errors import ArgumentError, CaffeError, LimitError
from caffe_sdk.io import MOST_PIXELS, decode_image
from caffe_sdk.memory import Array
from caffe_sdk.rpc import pb
from caffe_sdk.rpc.tensors import put, put_all
from caffe_sdk.server.backend import Backend
from caffe_sdk.server.call import Call, wired
from caffe_sdk.server.native import chunks
from caffe_sdk.server.native.records import from_message, to_message
from caffe_sdk.server.native.replies import net_message
from caffe_sdk.server.native.requests import (
    PARTS,
    PHASES,
    arrays_of,
    known,
    layers_of,
    model_of,
    place_of,
    reference_of,
    values_of,
    weights_of,
)
from caffe_sdk.server.payloads import Bytes, Cut, decoder

ROOM = 2**16  # bytes of a message beside its values


class Nets:
    """The calls of the service, by their names in the .proto. Raises CaffeErrors."""

    def __init__(self, backend: Backend) -> None:
        self._session, self._clients = backend.session, backend.clients
        self._most = max(1, backend.options.max_message - ROOM)

    # -- what there is -------------------------------------------------------------------------------------------------

    def create_net(self, request: Any, call: Call) -> Any:
        """Build, and describe what was built."""
        phase = known(PHASES, request.phase, "phase")
        weights = weights_of(request.weights) if request.HasField("weights") else None
        record = from_message(request.preprocessing) if request.HasField("preprocessing") else None
        self._clients.check_room(call.client, "nets")
        stages = list(request.stages)
        net = self._session.create_net(*model_of(request.model), phase, weights, request.level, stages, record)
        try:
            size = self._session.size(net)
            self._clients.hold(call.client, "nets", net, size, {net: size.total})
        except CaffeError:
            self._session.release(net)
            raise
        return self._describe(net)

    def describe_net(self, request: Any, call: Call) -> Any:
        """Layers, blobs and shapes as they stand."""
        return self._describe(self._net(request, call))

    def release_net(self, request: Any, call: Call) -> Any:
        """Let a net go, or leave alone what is gone or another's."""
        if self._clients.may_use(call.client, request.net):
            self._session.release(request.net)
            self._clients.forget(request.net)
        return pb.ReleaseNetReply()

    def share_weights(self, request: Any, call: Call) -> Any:
        """Let a net have the parameters of another one."""
        source = self._clients.usable(call.client, request.source, "net")
        self._session.share_weights(self._net(request, call), source)
        return pb.ShareWeightsReply()

    # -- blobs ---------------------------------------------------------------------------------------------------------

    def get_blobs(self, request: Any, call: Call) -> Any:
        """Values of several blobs as of one moment."""
        part, references = known(PARTS, request.part, "part"), list(map(reference_of, request.blobs))
        net = self._net(request, call)
        check_message(self._session.blobs_size(net, references), self._most)
        reply = pb.Blobs()
        for array in self._session.get_blobs(net, references, part):
            put(reply.tensors.add(), array)
        return reply

    @wired(decoder(pb.SetBlobsRequest))
    def set_blobs(self, cut: Cut, call: Call) -> Any:
        """Overwrite blobs, all or none."""
        request = cut.message
        values = [values_of(blob, cut) for blob in request.blobs]
        self._session.set_blobs(self._net(request, call), values)
        return pb.SetBlobsReply()

    @wired(decoder(pb.UploadBlobRequest))
    def upload_blob(self, requests: Iterator[Cut], call: Call) -> Any:
        """Overwrite a blob with values in chunks; nothing is changed before all of them are here."""
        first = next(requests, None)
        if first is None or not first.message.HasField("header"):
            raise ArgumentError("upload", "the first message has no header", "say which blob, and of what shape")
        header = first.message.header
        reference, part = reference_of(header.blob), known(PARTS, header.part, "part")
        net = self._net(header, call)
        self._clients.check_blob(place_of(reference), chunks.size_of(header, place_of(reference)))
        self._session.check_fits(net, reference, tuple(header.shape))
        values = chunks.gather(header, _data(first, requests), place_of(reference))
        self._session.set_blob(net, reference, part, values)
        return pb.UploadBlobReply()

    def download_blob(self, request: Any, call: Call) -> Iterator[Any]:
        """The values of a blob, in chunks."""
        part = known(PARTS, request.part, "part")
        values = self._session.get_blob(self._net(request, call), reference_of(request.blob), part)
        yield from chunks.cut(values, min(max(request.chunk, 0) or chunks.CHUNK, self._most))

    def reshape_blob(self, request: Any, call: Call) -> Any:
        """Give a blob another shape."""
        reference, shape = reference_of(request.blob), tuple(request.shape.dims)
        self._clients.check_shape(place_of(reference), shape)
        self._session.reshape_blob(self._net(request, call), reference, shape)
        return pb.ReshapeBlobReply()

    def reshape_net(self, request: Any, call: Call) -> Any:
        """Carry the inputs' shapes through the net, and describe it."""
        net = self._net(request, call)
        self._session.reshape_net(net)
        return self._describe(net)

    # -- running -------------------------------------------------------------------------------------------------------

    @wired(decoder(pb.ForwardRequest))
    def forward(self, cut: Cut, call: Call) -> Any:
        """Run layers forward."""
        request = cut.message
        reply, inputs = pb.ForwardReply(), arrays_of(request.inputs, cut)
        net, blobs = self._net(request, call), list(request.blobs)
        outputs = self._session.forward(net, inputs, *layers_of(request), blobs, call.check)
        _put_all(reply.outputs, _only(blobs, outputs) if request.omit_outputs else outputs, self._most)
        return reply

    def predict(self, request: Any, call: Call) -> Any:
        """Outputs for images in files."""
        net = self._net(request, call)
        reply = pb.ForwardReply()
        images = [decode_image(data, "image", max_pixels=MOST_PIXELS) for data in request.images]
        _put_all(reply.outputs, self._session.predict(net, images, list(request.blobs), call.check), self._most)
        return reply

    @wired(decoder(pb.BackwardRequest))
    def backward(self, cut: Cut, call: Call) -> Any:
        """Run layers backward."""
        request = cut.message
        reply, diffs = pb.BackwardReply(), arrays_of(request.diffs, cut)
        net, blobs = self._net(request, call), list(request.blobs)
        found = self._session.backward(net, diffs, *layers_of(request), blobs, call.check)
        _put_all(reply.diffs, _only(blobs, found) if request.omit_diffs else found, self._most)
        return reply

    def clear_param_diffs(self, request: Any, call: Call) -> Any:
        """Set the parameters' gradients to zero."""
        self._session.clear_param_diffs(self._net(request, call))
        return pb.ClearParamDiffsReply()

    # -- weights -------------------------------------------------------------------------------------------------------

    def copy_from(self, request: Any, call: Call) -> Any:
        """Load weights."""
        weights = weights_of(request.weights)
        return pb.CopyFromReply(layers=self._session.copy_from(self._net(request, call), weights))

    @wired(decoder(pb.UploadWeightsRequest))
    def upload_weights(self, requests: Iterator[Cut], call: Call) -> Any:
        """Load weights that come in chunks."""
        first = next(requests, None)
        if first is None:
            raise ArgumentError("upload", "no message came", "say which net, and send a caffemodel")
        net = self._net(first.message, call)
        data = chunks.gather_bytes(_data(first, requests), self._clients.limits.memory, "weights")
        return pb.CopyFromReply(layers=self._session.copy_from(net, data))

    def get_weights(self, request: Any, call: Call) -> Any:
        """The weights as the bytes of a caffemodel."""
        data = self._session.net_bytes(self._net(request, call))
        check_message(len(data), self._most)
        return pb.GetWeightsReply(data=data)

    def download_weights(self, request: Any, call: Call) -> Iterator[Any]:
        """The weights as the bytes of a caffemodel, in chunks."""
        data = self._session.net_bytes(self._net(request, call))
        yield from chunks.cut_bytes(data, min(chunks.CHUNK, self._most))

    def save_net(self, request: Any, call: Call) -> Any:
        """Write the weights to a file in the folder."""
        self._session.save_net(self._net(request, call), request.path)
        return pb.SaveNetReply()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _net(self, request: Any, call: Call) -> int:
        """The handle of a request, if the caller may use it."""
        return self._clients.usable(call.client, request.net, "net")

    def _describe(self, net: int) -> Any:
        message = net_message(net, self._session.describe_net(net), self._session.layer_texts(net))
        record = self._session.preprocessing(net)
        if record is not None:
            message.preprocessing.CopyFrom(to_message(record))
        return message


def _data(first: Cut, requests: Iterator[Cut]) -> Iterator[Bytes]:
    """What the messages of an upload bring."""
    return (cut.of(cut.message.data) for cut in chain([first], requests))


def check_message(nbytes: int, most: int) -> None:
    """Raise LimitError for values that do not go into one message."""
    if nbytes > most:
        what = f"the values have {nbytes} bytes, and a message has room for {most}"
        raise LimitError("reply", what, "ask for less at a time, or fetch blobs with DownloadBlob")


def _put_all(tensors: Any, arrays: dict[str, Array], most: int) -> None:
    check_message(sum(array.nbytes for array in arrays.values()), most)
    put_all(tensors, arrays)


def _only(names: list[str], arrays: dict[str, Array]) -> dict[str, Array]:
    return {name: arrays[name] for name in names}
