import caffe_sdk.v1.Phase;
import caffesdk.CaffeException;
import caffesdk.Client;
import caffesdk.Net;
import caffesdk.Solver;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * Classify: Example classify HOST:PORT deploy.prototxt weights.caffemodel image.png prepares an image as the net's record
 * says and prints the outputs. Train: Example train HOST:PORT solver.prototxt ITERATIONS, for a net that needs no files,
 * prints the losses.
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

  private static void classify(Client server, String prototxt, byte[] caffemodel, byte[] image) {
    try (Net net = server.net(prototxt, Phase.PHASE_TEST, caffemodel)) {
      net.predict(List.of(image)).forEach((name, output) -> {
        System.out.println(name + Arrays.toString(output.data()).replaceAll("[\\[,\\]]+ *", " "));
      });
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
