import caffe_sdk.v1.Part;
import caffe_sdk.v1.Phase;
import caffesdk.Array;
import caffesdk.BlobName;
import caffesdk.CaffeException;
import caffesdk.Client;
import caffesdk.Net;
import caffesdk.Solver;
import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;

/**
 * Plays the scenarios of a file on a server and prints what each step gives, as JSON. tests/clients/conformance.py tells
 * what they are. Conformance scenarios.json HOST:PORT
 */
public final class Conformance {
  private static final Gson GSON = new Gson();

  private final Client server;
  private final JsonObject models;
  private final Map<String, Net> nets = new HashMap<>();
  private final Map<String, Solver> solvers = new HashMap<>();
  private final Map<String, byte[]> kept = new HashMap<>();

  private Conformance(Client server, JsonObject models) {
    this.server = server;
    this.models = models;
  }

  public static void main(String[] arguments) throws IOException {
    JsonObject file = JsonParser.parseString(Files.readString(Path.of(arguments[0]))).getAsJsonObject();
    JsonObject notes = new JsonObject();
    try (Client server = Client.connect(arguments[1])) {
      for (JsonElement each : file.getAsJsonArray("scenarios")) {
        JsonObject scenario = each.getAsJsonObject();
        Conformance player = new Conformance(server, file.getAsJsonObject("models"));
        notes.add(scenario.get("name").getAsString(), player.play(scenario.getAsJsonArray("steps")));
      }
    }
    System.out.println(notes);
  }

  private JsonArray play(JsonArray steps) {
    JsonArray notes = new JsonArray();
    for (JsonElement step : steps) {
      try {
        notes.add(play(step.getAsJsonObject()));
      } catch (CaffeException error) {
        notes.add(GSON.toJsonTree(Map.of("error", error.code())));
      }
    }
    return notes;
  }

  private JsonElement play(JsonObject step) {
    switch (string(step, "verb")) {
      case "net":
        Phase phase = string(step, "phase").equals("train") ? Phase.PHASE_TRAIN : Phase.PHASE_TEST;
        byte[] weights = step.has("weights") ? kept.get(string(step, "weights")) : null;
        nets.put(string(step, "net"), server.net(text(step), phase, weights));
        return JsonNull.INSTANCE;
      case "solver":
        solvers.put(string(step, "solver"), server.solver(text(step)));
        return JsonNull.INSTANCE;
      case "step":
        return losses(step);
      case "solve":
        solvers.get(string(step, "solver")).solve(event -> true);
        return JsonNull.INSTANCE;
      case "state":
        caffe_sdk.v1.Solver state = solvers.get(string(step, "solver")).state();
        return GSON.toJsonTree(Map.of("iter", state.getIter(), "max_iter", state.getMaxIter()));
      default:
        return play(net(string(step, "net")), step);
    }
  }

  private JsonElement play(Net net, JsonObject step) {
    switch (string(step, "verb")) {
      case "describe":
        return noted(net.description());
      case "get":
        return GSON.toJsonTree(net.get(blob(step), part(step)));
      case "set":
        net.set(blob(step), part(step), array(step.getAsJsonObject("values")));
        return JsonNull.INSTANCE;
      case "reshape":
        net.reshape(shapes(step));
        return JsonNull.INSTANCE;
      case "forward":
        Net.Range range = new Net.Range(optional(step, "start"), optional(step, "end"), strings(step, "blobs"));
        return GSON.toJsonTree(net.forward(arrays(step.getAsJsonObject("inputs")), range));
      case "backward":
        return GSON.toJsonTree(net.backward(arrays(step.getAsJsonObject("diffs"))));
      case "weights":
        kept.put(string(step, "weights"), net.weights());
        return JsonNull.INSTANCE;
      case "copy_from":
        return GSON.toJsonTree(net.copyFrom(kept.get(string(step, "weights"))));
      case "release":
        net.close();
        return JsonNull.INSTANCE;
      default:
        throw new IllegalArgumentException("no such step: " + step);
    }
  }

  private JsonElement losses(JsonObject step) {
    List<Double> losses = new ArrayList<>();
    solvers.get(string(step, "solver")).step(step.get("iterations").getAsLong(), event -> {
      if (event.hasIteration()) {
        losses.add(event.getIteration().getLoss());
      }
      return true;
    });
    return GSON.toJsonTree(losses);
  }

  private Net net(String name) {
    return name.endsWith(".net") ? solvers.get(name.substring(0, name.length() - ".net".length())).net() : nets.get(name);
  }

  private String text(JsonObject step) {
    StringBuilder lines = new StringBuilder();
    for (JsonElement line : models.getAsJsonArray(string(step, "model"))) {
      lines.append(line.getAsString()).append('\n');
    }
    List<String> replace = strings(step, "replace");
    return replace.isEmpty() ? lines.toString() : lines.toString().replace(replace.get(0), replace.get(1));
  }

  // -- from JSON and to it

  private static String string(JsonObject step, String field) {
    return step.get(field).getAsString();
  }

  private static String optional(JsonObject step, String field) {
    return step.has(field) ? string(step, field) : null;
  }

  private static List<String> strings(JsonObject step, String field) {
    return step.has(field) ? List.of(GSON.fromJson(step.get(field), String[].class)) : List.of();
  }

  private static BlobName blob(JsonObject step) {
    JsonElement blob = step.get("blob");
    if (blob.isJsonPrimitive()) {
      return BlobName.of(blob.getAsString());
    }
    return BlobName.of(blob.getAsJsonArray().get(0).getAsString(), blob.getAsJsonArray().get(1).getAsInt());
  }

  private static Part part(JsonObject step) {
    return string(step, "part").equals("diff") ? Part.PART_DIFF : Part.PART_DATA;
  }

  private static Map<String, long[]> shapes(JsonObject step) {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    step.getAsJsonObject("shapes").asMap().forEach((name, dims) -> shapes.put(name, GSON.fromJson(dims, long[].class)));
    return shapes;
  }

  private static Array array(JsonObject written) {
    long[] shape = GSON.fromJson(written.get("shape"), long[].class);
    float[] data = new float[(int) LongStream.of(shape).reduce(1, (product, dim) -> product * dim)];
    for (int i = 0; i < data.length; i++) {
      data[i] = written.has("values")
          ? written.getAsJsonArray("values").get(i).getAsFloat()
          : (float) (written.get("start").getAsDouble() + written.get("step").getAsDouble() * i);
    }
    return new Array(shape, data);
  }

  private static Map<String, Array> arrays(JsonObject written) {
    Map<String, Array> arrays = new LinkedHashMap<>();
    written.asMap().forEach((name, values) -> arrays.put(name, array(values.getAsJsonObject())));
    return arrays;
  }

  private static JsonElement noted(caffe_sdk.v1.Net net) {
    List<Object> layers = new ArrayList<>();
    List<Object> blobs = new ArrayList<>();
    List<Object> params = new ArrayList<>();
    net.getLayersList().forEach(layer -> {
      layers.add(List.of(layer.getName(), layer.getType()));
      if (layer.getParamsCount() > 0) {
        params.add(List.of(layer.getName(), layer.getParamsList().stream().map(shape -> shape.getDimsList()).toArray()));
      }
    });
    net.getBlobsList().forEach(blob -> blobs.add(List.of(blob.getName(), blob.getShape().getDimsList())));
    return GSON.toJsonTree(Map.of(
        "inputs", List.copyOf(net.getInputsList()),
        "outputs", List.copyOf(net.getOutputsList()),
        "layers", layers, "blobs", blobs, "params", params));
  }
}
