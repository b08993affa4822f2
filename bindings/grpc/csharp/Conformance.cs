// Plays the scenarios of a file on a server and prints what each step gives, as JSON; tests/clients/conformance.py tells
// what they are: dotnet run -p:StartupObject=CaffeSdk.Conformance scenarios.json http://HOST:PORT

using System.Text.Json;
using System.Text.Json.Nodes;

namespace CaffeSdk;

public sealed class Conformance
{
    private readonly Client server;
    private readonly JsonNode models;
    private readonly Dictionary<string, Net> nets = new();
    private readonly Dictionary<string, Solver> solvers = new();
    private readonly Dictionary<string, byte[]> kept = new();

    private Conformance(Client server, JsonNode models)
    {
        this.server = server;
        this.models = models;
    }

    public static async Task Main(string[] arguments)
    {
        var file = JsonNode.Parse(await File.ReadAllTextAsync(arguments[0]))!;
        using var server = Client.Connect(arguments[1]);
        var notes = new JsonObject();
        foreach (var scenario in file["scenarios"]!.AsArray())
        {
            var player = new Conformance(server, file["models"]!);
            notes.Add(Text(scenario!, "name"), await player.PlayAsync(scenario!["steps"]!.AsArray()));
        }
        Console.WriteLine(notes.ToJsonString());
    }

    private async Task<JsonArray> PlayAsync(JsonArray steps)
    {
        var notes = new JsonArray();
        foreach (var step in steps)
        {
            try
            {
                notes.Add(await PlayAsync(step!));
            }
            catch (CaffeException error)
            {
                notes.Add(new JsonObject { ["error"] = error.Code });
            }
        }
        return notes;
    }

    private async Task<JsonNode?> PlayAsync(JsonNode step)
    {
        switch (Text(step, "verb"))
        {
            case "net":
                var weights = step["weights"] is null ? null : kept[Text(step, "weights")];
                nets[Text(step, "net")] = await server.NetAsync(Prototxt(step), Text(step, "phase") == "train", weights);
                return null;
            case "solver":
                solvers[Text(step, "solver")] = await server.SolverAsync(Prototxt(step));
                return null;
            case "step":
                return Noted(await LossesAsync(SolverOf(step).StepAsync(step["iterations"]!.GetValue<long>())));
            case "solve":
                await LossesAsync(SolverOf(step).SolveAsync());
                return null;
            case "state":
                var state = await SolverOf(step).StateAsync();
                return new JsonObject { ["iter"] = state.Iter, ["max_iter"] = state.MaxIter };
            case "weights":
                kept[Text(step, "weights")] = await NetOf(step).WeightsAsync();
                return null;
            case "copy_from":
                return Noted(await NetOf(step).CopyFromAsync(kept[Text(step, "weights")]));
            default:
                return await PlayAsync(NetOf(step), step);
        }
    }

    private static async Task<JsonNode?> PlayAsync(Net net, JsonNode step)
    {
        switch (Text(step, "verb"))
        {
            case "describe":
                return Noted(net.Description);
            case "get":
                return Noted(await net.GetAsync(Blob(step), Part(step)));
            case "set":
                await net.SetAsync(Blob(step), Array(step["values"]!), Part(step));
                return null;
            case "reshape":
                await net.ReshapeAsync(step["shapes"].Deserialize<Dictionary<string, long[]>>()!);
                return null;
            case "forward":
                var range = new LayerRange((string?)step["start"], (string?)step["end"], Texts(step["blobs"]));
                return Noted(await net.ForwardAsync(Arrays(step["inputs"]!), range));
            case "backward":
                return Noted(await net.BackwardAsync(Arrays(step["diffs"]!)));
            case "release":
                await net.DisposeAsync();
                return null;
            default:
                throw new ArgumentException($"no such step: {step}");
        }
    }

    private static async Task<List<double>> LossesAsync(IAsyncEnumerable<V1.Event> events)
    {
        var losses = new List<double>();
        await foreach (var happened in events)
        {
            if (happened.Iteration is { } iteration)
            {
                losses.Add(iteration.Loss);
            }
        }
        return losses;
    }

    private Solver SolverOf(JsonNode step) => solvers[Text(step, "solver")];

    private Net NetOf(JsonNode step)
    {
        var name = Text(step, "net");
        return name.EndsWith(".net") ? solvers[name[..^".net".Length]].Net : nets[name];
    }

    private string Prototxt(JsonNode step)
    {
        var text = string.Join('\n', Texts(models[Text(step, "model")]));
        return Texts(step["replace"]) is [var old, var other] ? text.Replace(old, other) : text;
    }

    // -- from JSON and to it

    private static string Text(JsonNode step, string field) => step[field]!.GetValue<string>();

    private static string[] Texts(JsonNode? list) => list.Deserialize<string[]>() ?? [];

    private static BlobName Blob(JsonNode step) => step["blob"] is JsonArray parameter
        ? new BlobName(parameter[0]!.GetValue<string>(), parameter[1]!.GetValue<int>())
        : Text(step, "blob");

    private static V1.Part Part(JsonNode step) => Text(step, "part") == "diff" ? V1.Part.Diff : V1.Part.Data;

    private static FloatArray Array(JsonNode written)
    {
        var shape = written["shape"].Deserialize<long[]>()!;
        if (written["values"].Deserialize<float[]>() is { } values)
        {
            return new(shape, values);
        }
        var (start, step) = (written["start"]!.GetValue<double>(), written["step"]!.GetValue<double>());
        var count = (int)shape.Aggregate(1L, (product, dim) => product * dim);
        return new(shape, Enumerable.Range(0, count).Select(i => (float)(start + step * i)).ToArray());
    }

    private static Dictionary<string, FloatArray> Arrays(JsonNode written) =>
        written.AsObject().ToDictionary(each => each.Key, each => Array(each.Value!));

    private static JsonNode? Noted<T>(IEnumerable<T> values) => JsonSerializer.SerializeToNode(values);

    private static JsonObject Noted(FloatArray array) => new() { ["shape"] = Noted(array.Shape), ["data"] = Noted(array.Data) };

    private static JsonObject Noted(Dictionary<string, FloatArray> arrays) =>
        new(arrays.Select(each => new KeyValuePair<string, JsonNode?>(each.Key, Noted(each.Value))));

    private static JsonNode? Noted(V1.Net net) => JsonSerializer.SerializeToNode(new
    {
        inputs = net.Inputs,
        outputs = net.Outputs,
        layers = net.Layers.Select(layer => new[] { layer.Name, layer.Type }),
        blobs = net.Blobs.Select(blob => new object[] { blob.Name, blob.Shape.Dims }),
        @params = net.Layers
            .Where(layer => layer.Params.Count > 0)
            .Select(layer => new object[] { layer.Name, layer.Params.Select(shape => shape.Dims) }),
    });
}
