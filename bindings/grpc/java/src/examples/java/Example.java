import caffe_sdk.v1.NamedShape;
import caffe_sdk.v1.Phase;
import caffesdk.Array;
import caffesdk.CaffeException;
import caffesdk.Client;
import caffesdk.Net;
import caffesdk.Solver;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/**
 * Classify: Example classify HOST:PORT deploy.prototxt weights.caffemodel pixels.bin, where pixels.bin holds
 * little-endian float32 values of the first input; prints the outputs. Train: Example train HOST:PORT solver.prototxt
 * ITERATIONS, for a net that needs no files; prints the losses.
 */
public final class Example {
  public static void main(String[] arguments) throws IOException {
    try (Client server = Client.connect(arguments[1])) {
      String text = Files.readString(Path.of(arguments[2]));
      if (arguments[0].equals("classify")) {
        classify(server, text, Files.readAllBytes(Path.of(arguments[3])), Files.readAllBytes(Path.of(arguments[4])));
      } else {
        train(server, text, Integer.parseInt(arguments[3]));
      }
    } catch (CaffeException error) {
      System.err.println(error.code() + ": " + error.getMessage());
      System.exit(1);
    }
  }

  private static void classify(Client server, String prototxt, byte[] caffemodel, byte[] pixels) {
    try (Net net = server.net(prototxt, Phase.PHASE_TEST, caffemodel)) {
      String input = net.description().getInputs(0);
      long[] shape = net.description().getBlobsList().stream()
          .filter(blob -> blob.getName().equals(input))
          .map(NamedShape::getShape)
          .flatMapToLong(dims -> dims.getDimsList().stream().mapToLong(Long::longValue))
          .toArray();
      float[] data = new float[pixels.length / Float.BYTES];
      ByteBuffer.wrap(pixels).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(data);
      net.forward(Map.of(input, new Array(shape, data)))
          .forEach((name, output) -> System.out.println(name + " " + Arrays.toString(output.data()).replaceAll("[\\[\\],]", "")));
    }
  }

  private static void train(Client server, String prototxt, int iterations) {
    try (Solver solver = server.solver(prototxt)) {
      solver.step(iterations, event -> {
        if (event.hasIteration()) {
          System.out.println(event.getIteration().getLoss());
        }
        return true;
      });
    }
  }
}
