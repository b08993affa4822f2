// Client of a caffe_sdk server: Caffe's nets and solvers, which live there.
//
//   using var server = Client.Connect("http://127.0.0.1:50051");
//   await using var net = await server.NetAsync(prototxt, weights: caffemodel);
//   var prob = (await net.ForwardAsync(new() { ["data"] = new([1, 1, 28, 28], pixels) }))["prob"];
//
// Arrays are copies, float32, in row-major order (NCHW). What the server raises is a CaffeException.

using System.Runtime.InteropServices;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;

namespace CaffeSdk;

/// <summary>Numbers and their shape, the last axis the fastest.</summary>
public sealed record FloatArray(long[] Shape, float[] Data)
{
    internal static FloatArray From(V1.Tensor tensor) =>
        new(tensor.Shape.ToArray(), MemoryMarshal.Cast<byte, float>(tensor.Data.Span).ToArray());

    internal static Dictionary<string, FloatArray> From(IEnumerable<V1.NamedTensor> tensors) =>
        tensors.ToDictionary(named => named.Name, named => From(named.Tensor));

    internal V1.Tensor ToTensor() => new()
    {
        Shape = { Shape },
        Type = V1.DataType.Float32,
        Data = ByteString.CopyFrom(MemoryMarshal.AsBytes(Data.AsSpan())),
    };

    internal static IEnumerable<V1.NamedTensor> ToTensors(Dictionary<string, FloatArray> arrays) =>
        arrays.Select(each => new V1.NamedTensor { Name = each.Key, Tensor = each.Value.ToTensor() });
}

/// <summary>A blob by name, or a layer's learnable blob by index (mostly 0 the weights, 1 the bias).</summary>
public readonly record struct BlobName(string Name, int? Index = null)
{
    public static implicit operator BlobName(string name) => new(name);

    internal V1.BlobReference ToReference() => Index is int index
        ? new() { Parameter = new() { Layer = Name, Index = index } }
        : new() { Name = Name };
}

/// <summary>Layers to run, first and last (null: all), and blobs to give besides the outputs.</summary>
public sealed record LayerRange(string? Start = null, string? End = null, params string[] Blobs);

/// <summary>What the server raised; the code is "bridge" when none answers, the message the whole sentence.</summary>
public sealed class CaffeException : Exception
{
    internal CaffeException(RpcException failed) : base(failed.Status.Detail, failed)
    {
        Status = failed.StatusCode;
        var bytes = failed.Trailers.GetValueBytes("caffe-error-bin");
        Parts = bytes is null
            ? new V1.Error { Code = "bridge", What = failed.Status.Detail }
            : V1.Error.Parser.ParseFrom(bytes);
    }

    public StatusCode Status { get; }

    public string Code => Parts.Code;

    public string Where => Parts.Where;

    public string What => Parts.What;

    public string Remedy => Parts.Remedy;

    public string Identifier => Parts.Identifier;

    private V1.Error Parts { get; }

    internal static async Task<T> CallAsync<T>(AsyncUnaryCall<T> call)
    {
        try
        {
            return await call;
        }
        catch (RpcException failed)
        {
            throw new CaffeException(failed);
        }
    }
}

/// <summary>A connection.</summary>
public sealed class Client : IDisposable
{
    private readonly GrpcChannel channel;
    private readonly V1.Server.ServerClient server;
    private readonly SemaphoreSlim gate = new(1);
    private AsyncServerStreamingCall<V1.AttachReply>? lease;

    private Client(GrpcChannel channel, string? token)
    {
        this.channel = channel;
        // A name that nobody guesses, for the server to hold this client's objects under.
        var session = Guid.NewGuid().ToString("N");
        var invoker = channel.Intercept(metadata =>
        {
            metadata.Add("caffe-session", session);
            if (token is not null)
            {
                metadata.Add("authorization", $"Bearer {token}");
            }
            return metadata;
        });
        server = new(invoker);
        Nets = new(invoker);
        Solvers = new(invoker);
    }

    internal V1.Nets.NetsClient Nets { get; }

    internal V1.Solvers.SolversClient Solvers { get; }

    /// <summary>A client of the server at http://host:port, or at https://host:port with a bearer token.</summary>
    public static Client Connect(string address, string? token = null, HttpMessageHandler? handler = null)
    {
        var options = new GrpcChannelOptions
        {
            MaxReceiveMessageSize = null, // the server has the limit that counts
            MaxSendMessageSize = null,
            HttpHandler = handler,
        };
        return new(GrpcChannel.ForAddress(address, options), token);
    }

    /// <summary>A new net of a prototxt's text; weights are the bytes of a caffemodel.</summary>
    public async Task<Net> NetAsync(
        string prototxt, bool train = false, byte[]? weights = null, int level = 0, params string[] stages)
    {
        await HoldAsync();
        var request = new V1.CreateNetRequest
        {
            Model = new() { Text = prototxt },
            Phase = train ? V1.Phase.Train : V1.Phase.Test,
            Level = level,
            Stages = { stages },
        };
        if (weights is not null)
        {
            request.Weights = new() { Data = UnsafeByteOperations.UnsafeWrap(weights) };
        }
        return new(this, await CaffeException.CallAsync(Nets.CreateNetAsync(request)), owned: true);
    }

    /// <summary>A new solver of a prototxt's text.</summary>
    public async Task<Solver> SolverAsync(string prototxt)
    {
        await HoldAsync();
        var request = new V1.CreateSolverRequest { Model = new() { Text = prototxt } };
        var made = await CaffeException.CallAsync(Solvers.CreateSolverAsync(request));
        var net = await CaffeException.CallAsync(Nets.DescribeNetAsync(new() { Net = made.Net }));
        return new(this, made.Solver_, new(this, net, owned: false));
    }

    /// <summary>Version, facts about what computes there, and how many objects are held.</summary>
    public Task<V1.Information> InformationAsync() =>
        CaffeException.CallAsync(server.GetInformationAsync(new V1.GetInformationRequest()));

    public void Dispose()
    {
        lease?.Dispose();
        channel.Dispose();
    }

    // Has the server keep what is created for as long as this client is there: when the program dies it is let go.
    private async Task HoldAsync()
    {
        await gate.WaitAsync();
        try
        {
            if (lease is null)
            {
                var call = server.Attach(new());
                await call.ResponseStream.MoveNext(CancellationToken.None);
                lease = call;
            }
        }
        catch (RpcException failed)
        {
            throw new CaffeException(failed);
        }
        finally
        {
            gate.Release();
        }
    }
}

/// <summary>A net on the server, released when disposed of.</summary>
public sealed class Net : IAsyncDisposable
{
    private readonly Client client;
    private bool owned;

    internal Net(Client client, V1.Net description, bool owned)
    {
        this.client = client;
        this.owned = owned;
        Description = description;
    }

    /// <summary>Name, phase, layers, blobs and their shapes when the net was made or last reshaped.</summary>
    public V1.Net Description { get; private set; }

    private ulong Handle => Description.Net_;

    /// <summary>Compute with these inputs, or with what the blobs hold if there are none; gives the outputs.</summary>
    public async Task<Dictionary<string, FloatArray>> ForwardAsync(
        Dictionary<string, FloatArray>? inputs = null, LayerRange? range = null)
    {
        range ??= new();
        var request = new V1.ForwardRequest
        {
            Net = Handle,
            Inputs = { FloatArray.ToTensors(inputs ?? new()) },
            Blobs = { range.Blobs },
        };
        if (range.Start is not null)
        {
            request.Start = range.Start;
        }
        if (range.End is not null)
        {
            request.End = range.End;
        }
        return FloatArray.From((await CaffeException.CallAsync(client.Nets.ForwardAsync(request))).Outputs);
    }

    /// <summary>The outputs for image files, given as bytes and prepared as the net's record says.</summary>
    public async Task<Dictionary<string, FloatArray>> PredictAsync(params byte[][] images)
    {
        var request = new V1.PredictRequest { Net = Handle, Images = { images.Select(ByteString.CopyFrom) } };
        return FloatArray.From((await CaffeException.CallAsync(client.Nets.PredictAsync(request))).Outputs);
    }

    /// <summary>Set the outputs' gradients, run the layers backward, give the inputs' gradients.</summary>
    public async Task<Dictionary<string, FloatArray>> BackwardAsync(Dictionary<string, FloatArray> diffs)
    {
        var request = new V1.BackwardRequest { Net = Handle, Diffs = { FloatArray.ToTensors(diffs) } };
        return FloatArray.From((await CaffeException.CallAsync(client.Nets.BackwardAsync(request))).Diffs);
    }

    /// <summary>A blob's values or gradients.</summary>
    public async Task<FloatArray> GetAsync(BlobName blob, V1.Part part = V1.Part.Data)
    {
        var request = new V1.GetBlobsRequest { Net = Handle, Blobs = { blob.ToReference() }, Part = part };
        return FloatArray.From((await CaffeException.CallAsync(client.Nets.GetBlobsAsync(request))).Tensors[0]);
    }

    /// <summary>Overwrite a blob's values or gradients.</summary>
    public Task SetAsync(BlobName blob, FloatArray values, V1.Part part = V1.Part.Data)
    {
        var one = new V1.BlobValues { Blob = blob.ToReference(), Part = part, Values = values.ToTensor() };
        return CaffeException.CallAsync(client.Nets.SetBlobsAsync(new() { Net = Handle, Blobs = { one } }));
    }

    /// <summary>Give blobs, by name, other shapes and carry them through the net.</summary>
    public async Task ReshapeAsync(Dictionary<string, long[]> shapes)
    {
        foreach (var (name, dims) in shapes)
        {
            var blob = new BlobName(name).ToReference();
            var request = new V1.ReshapeBlobRequest { Net = Handle, Blob = blob, Shape = new() { Dims = { dims } } };
            await CaffeException.CallAsync(client.Nets.ReshapeBlobAsync(request));
        }
        Description = await CaffeException.CallAsync(client.Nets.ReshapeNetAsync(new() { Net = Handle }));
    }

    /// <summary>The bytes of a caffemodel.</summary>
    public async Task<byte[]> WeightsAsync() =>
        (await CaffeException.CallAsync(client.Nets.GetWeightsAsync(new() { Net = Handle }))).Data.ToByteArray();

    /// <summary>Load such bytes into layers of the same names; gives those names.</summary>
    public async Task<IReadOnlyList<string>> CopyFromAsync(byte[] caffemodel)
    {
        var weights = new V1.Weights { Data = UnsafeByteOperations.UnsafeWrap(caffemodel) };
        var request = new V1.CopyFromRequest { Net = Handle, Weights = weights };
        return (await CaffeException.CallAsync(client.Nets.CopyFromAsync(request))).Layers;
    }

    /// <summary>Let the net go; a solver's net goes with the solver.</summary>
    public async ValueTask DisposeAsync()
    {
        if (owned)
        {
            owned = false;
            await CaffeException.CallAsync(client.Nets.ReleaseNetAsync(new() { Net = Handle }));
        }
    }
}

/// <summary>A solver on the server and its train net, released when disposed of.</summary>
public sealed class Solver : IAsyncDisposable
{
    private readonly Client client;
    private readonly ulong handle;

    internal Solver(Client client, ulong handle, Net net)
    {
        this.client = client;
        this.handle = handle;
        Net = net;
    }

    public Net Net { get; }

    /// <summary>Train for so many iterations more, telling what happens; leaving the loop ends the training.</summary>
    public IAsyncEnumerable<V1.Event> StepAsync(long iterations) =>
        EventsAsync(client.Solvers.Step(new() { Solver = handle, Iterations = iterations }));

    /// <summary>Train to max_iter.</summary>
    public IAsyncEnumerable<V1.Event> SolveAsync() => EventsAsync(client.Solvers.Solve(new() { Solver = handle }));

    /// <summary>Iterations made and to make.</summary>
    public Task<V1.Solver> StateAsync() =>
        CaffeException.CallAsync(client.Solvers.DescribeSolverAsync(new() { Solver = handle }));

    /// <summary>Write a snapshot on the server; gives the solverstate's path there.</summary>
    public async Task<string> SnapshotAsync() =>
        (await CaffeException.CallAsync(client.Solvers.SnapshotAsync(new() { Solver = handle }))).Solverstate;

    /// <summary>Go on from a solverstate in the server's folder.</summary>
    public Task RestoreAsync(string solverstate) =>
        CaffeException.CallAsync(client.Solvers.RestoreAsync(new() { Solver = handle, Path = solverstate }));

    public async ValueTask DisposeAsync() =>
        await CaffeException.CallAsync(client.Solvers.ReleaseSolverAsync(new() { Solver = handle }));

    private static async IAsyncEnumerable<V1.Event> EventsAsync(AsyncServerStreamingCall<V1.Event> call)
    {
        using (call) // disposing cancels what has not ended
        {
            while (await NextAsync(call))
            {
                yield return call.ResponseStream.Current;
            }
        }
    }

    private static async Task<bool> NextAsync(AsyncServerStreamingCall<V1.Event> call)
    {
        try
        {
            return await call.ResponseStream.MoveNext(CancellationToken.None);
        }
        catch (RpcException failed)
        {
            throw new CaffeException(failed);
        }
    }
}
