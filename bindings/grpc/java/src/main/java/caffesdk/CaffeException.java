package caffesdk;

import caffe_sdk.v1.Error;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.function.Supplier;

/** What the server raised, or {@code bridge} when none answers; the message is the whole sentence. */
public final class CaffeException extends RuntimeException {
  private static final Metadata.Key<byte[]> PARTS =
      Metadata.Key.of("caffe-error-bin", Metadata.BINARY_BYTE_MARSHALLER);

  private final transient Error parts;
  private final Status.Code status;

  private CaffeException(StatusRuntimeException failed) {
    super(failed.getStatus().getDescription(), failed);
    status = failed.getStatus().getCode();
    parts = parts(failed);
  }

  /** One word such as shape, prototxt, handle. */
  public String code() {
    return parts.getCode();
  }

  /** A file, a layer, a blob; may be empty. */
  public String where() {
    return parts.getWhere();
  }

  /** What is wrong, with the values. */
  public String what() {
    return parts.getWhat();
  }

  /** What would be right; may be empty. */
  public String remedy() {
    return parts.getRemedy();
  }

  /** The MATLAB identifier, such as caffe:missingFile. */
  public String identifier() {
    return parts.getIdentifier();
  }

  /** The status of the call. */
  public Status.Code status() {
    return status;
  }

  /** What a call gives; its failure in our words. */
  static <T> T call(Supplier<T> call) {
    try {
      return call.get();
    } catch (StatusRuntimeException failed) {
      throw new CaffeException(failed);
    }
  }

  private static Error parts(StatusRuntimeException failed) {
    byte[] bytes = failed.getTrailers() == null ? null : failed.getTrailers().get(PARTS);
    try {
      if (bytes != null) {
        return Error.parseFrom(bytes);
      }
    } catch (InvalidProtocolBufferException unreadable) {
      // then nobody but the way here failed
    }
    return Error.newBuilder().setCode("bridge").setWhat(String.valueOf(failed.getStatus().getDescription())).build();
  }
}
