package caffesdk;

import caffe_sdk.v1.BackwardRequest;
import caffe_sdk.v1.BlobValues;
import caffe_sdk.v1.CopyFromRequest;
import caffe_sdk.v1.ForwardRequest;
import caffe_sdk.v1.GetBlobsRequest;
import caffe_sdk.v1.GetWeightsRequest;
import caffe_sdk.v1.Part;
import caffe_sdk.v1.PredictRequest;
import caffe_sdk.v1.ReleaseNetRequest;
import caffe_sdk.v1.ReshapeBlobRequest;
import caffe_sdk.v1.ReshapeNetRequest;
import caffe_sdk.v1.SetBlobsRequest;
import caffe_sdk.v1.Shape;
import caffe_sdk.v1.Weights;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.LongStream;

/** A net on the server. */
public final class Net implements AutoCloseable {
  private final Client client;
  private caffe_sdk.v1.Net description;
  private boolean owned;

  Net(Client client, caffe_sdk.v1.Net description, boolean owned) {
    this.client = client;
    this.description = description;
    this.owned = owned;
  }

  /** Layers to run, first and last (null: all), and blobs to give besides the outputs. */
  public record Range(String start, String end, List<String> blobs) {
    /** The whole net, and no blobs but the outputs. */
    public static final Range ALL = new Range(null, null, List.of());
  }

  /** Name, phase, layers, blobs and their shapes when the net was made or last reshaped. */
  public caffe_sdk.v1.Net description() {
    return description;
  }

  /** Compute with these inputs, or with what the blobs hold if there are none; gives the outputs. */
  public Map<String, Array> forward(Map<String, Array> inputs) {
    return forward(inputs, Range.ALL);
  }

  /** As forward, but for part of the layers or with more blobs. */
  public Map<String, Array> forward(Map<String, Array> inputs, Range range) {
    ForwardRequest.Builder request = ForwardRequest.newBuilder().setNet(description.getNet());
    request.addAllInputs(Array.toTensors(inputs)).addAllBlobs(range.blobs());
    if (range.start() != null) {
      request.setStart(range.start());
    }
    if (range.end() != null) {
      request.setEnd(range.end());
    }
    return Array.from(CaffeException.call(() -> client.nets.forward(request.build())).getOutputsList());
  }

  /** The outputs for image files (JPEG, PNG, ...), given as bytes and prepared as the net's record says. */
  public Map<String, Array> predict(List<byte[]> images) {
    List<ByteString> files = images.stream().map(UnsafeByteOperations::unsafeWrap).collect(Collectors.toList());
    PredictRequest request = PredictRequest.newBuilder().setNet(description.getNet()).addAllImages(files).build();
    return Array.from(CaffeException.call(() -> client.nets.predict(request)).getOutputsList());
  }

  /** Set the outputs' gradients, run the layers backward, give the inputs' gradients. */
  public Map<String, Array> backward(Map<String, Array> diffs) {
    BackwardRequest.Builder request = BackwardRequest.newBuilder().setNet(description.getNet());
    request.addAllDiffs(Array.toTensors(diffs));
    return Array.from(CaffeException.call(() -> client.nets.backward(request.build())).getDiffsList());
  }

  /** A blob's values. */
  public Array get(BlobName blob) {
    return get(blob, Part.PART_DATA);
  }

  /** A blob's values or gradients. */
  public Array get(BlobName blob, Part part) {
    GetBlobsRequest.Builder request = GetBlobsRequest.newBuilder().setNet(description.getNet());
    request.addBlobs(blob.reference).setPart(part);
    return Array.from(CaffeException.call(() -> client.nets.getBlobs(request.build())).getTensors(0));
  }

  /** Overwrite a blob's values. */
  public void set(BlobName blob, Array values) {
    set(blob, Part.PART_DATA, values);
  }

  /** Overwrite a blob's values or gradients. */
  public void set(BlobName blob, Part part, Array values) {
    BlobValues.Builder one = BlobValues.newBuilder().setBlob(blob.reference).setPart(part);
    SetBlobsRequest.Builder request = SetBlobsRequest.newBuilder().setNet(description.getNet());
    request.addBlobs(one.setValues(values.toTensor()));
    CaffeException.call(() -> client.nets.setBlobs(request.build()));
  }

  /** Give blobs, by name, other shapes and carry them through the net. */
  public void reshape(Map<String, long[]> shapes) {
    shapes.forEach((name, dims) -> {
      ReshapeBlobRequest.Builder request = ReshapeBlobRequest.newBuilder().setNet(description.getNet());
      request.setBlob(BlobName.of(name).reference);
      request.setShape(Shape.newBuilder().addAllDims(LongStream.of(dims).boxed().collect(Collectors.toList())));
      CaffeException.call(() -> client.nets.reshapeBlob(request.build()));
    });
    ReshapeNetRequest request = ReshapeNetRequest.newBuilder().setNet(description.getNet()).build();
    description = CaffeException.call(() -> client.nets.reshapeNet(request));
  }

  /** The bytes of a caffemodel. */
  public byte[] weights() {
    GetWeightsRequest request = GetWeightsRequest.newBuilder().setNet(description.getNet()).build();
    return CaffeException.call(() -> client.nets.getWeights(request)).getData().toByteArray();
  }

  /** Load such bytes into layers of the same names; gives those names. */
  public List<String> copyFrom(byte[] caffemodel) {
    CopyFromRequest.Builder request = CopyFromRequest.newBuilder().setNet(description.getNet());
    request.setWeights(Weights.newBuilder().setData(UnsafeByteOperations.unsafeWrap(caffemodel)));
    return CaffeException.call(() -> client.nets.copyFrom(request.build())).getLayersList();
  }

  /** Let the net go; a solver's net goes with the solver. */
  @Override
  public void close() {
    if (owned) {
      owned = false;
      ReleaseNetRequest request = ReleaseNetRequest.newBuilder().setNet(description.getNet()).build();
      CaffeException.call(() -> client.nets.releaseNet(request));
    }
  }
}
