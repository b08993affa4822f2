package caffesdk;

import caffe_sdk.v1.DataType;
import caffe_sdk.v1.NamedTensor;
import caffe_sdk.v1.Tensor;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Numbers and their shape in row-major order (NCHW), the last axis the fastest. */
public record Array(long[] shape, float[] data) {
  /** Values of a shape. */
  public static Array of(float[] data, long... shape) {
    return new Array(shape, data);
  }

  static Array from(Tensor tensor) {
    ByteBuffer bytes = tensor.getData().asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
    float[] data = new float[bytes.remaining() / Float.BYTES];
    bytes.asFloatBuffer().get(data);
    return new Array(tensor.getShapeList().stream().mapToLong(Long::longValue).toArray(), data);
  }

  static Map<String, Array> from(List<NamedTensor> tensors) {
    Map<String, Array> arrays = new LinkedHashMap<>();
    for (NamedTensor named : tensors) {
      arrays.put(named.getName(), from(named.getTensor()));
    }
    return arrays;
  }

  Tensor toTensor() {
    ByteBuffer bytes = ByteBuffer.allocate(data.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(data);
    ByteString raw = UnsafeByteOperations.unsafeWrap(bytes); // nobody else has the buffer
    Tensor.Builder tensor = Tensor.newBuilder().setType(DataType.DATA_TYPE_FLOAT32).setData(raw);
    for (long dim : shape) {
      tensor.addShape(dim);
    }
    return tensor.build();
  }

  static List<NamedTensor> toTensors(Map<String, Array> arrays) {
    return arrays.entrySet().stream()
        .map(each -> NamedTensor.newBuilder().setName(each.getKey()).setTensor(each.getValue().toTensor()).build())
        .collect(Collectors.toList());
  }
}
