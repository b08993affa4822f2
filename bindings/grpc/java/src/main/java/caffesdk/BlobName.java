package caffesdk;

import caffe_sdk.v1.BlobReference;
import caffe_sdk.v1.Parameter;

/** A blob of a net. */
public final class BlobName {
  final BlobReference reference;

  private BlobName(BlobReference reference) {
    this.reference = reference;
  }

  /** The blob of a name. */
  public static BlobName of(String name) {
    return new BlobName(BlobReference.newBuilder().setName(name).build());
  }

  /** A layer's learnable blob; index 0 is mostly the weights and 1 the bias. */
  public static BlobName of(String layer, int index) {
    Parameter parameter = Parameter.newBuilder().setLayer(layer).setIndex(index).build();
    return new BlobName(BlobReference.newBuilder().setParameter(parameter).build());
  }
}
