// What the client uses of Grpc.Net.Client 2.65, with its names and types, on .NET's own HTTP/2: enough to run it against a
// server. Messages are neither compressed nor limited, and calls have no deadlines.

using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using Grpc.Core;

namespace Grpc.Net.Client;

public sealed class GrpcChannelOptions
{
    public int? MaxReceiveMessageSize { get; set; }

    public int? MaxSendMessageSize { get; set; }

    public HttpMessageHandler? HttpHandler { get; set; }
}

public sealed class GrpcChannel : ChannelBase, IDisposable
{
    private readonly HttpClient http;

    private GrpcChannel(Uri address, HttpMessageHandler? handler) : base(address.Authority)
    {
        http = new(handler ?? new SocketsHttpHandler { EnableMultipleHttp2Connections = true })
        {
            BaseAddress = address,
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    public static GrpcChannel ForAddress(string address, GrpcChannelOptions channelOptions) =>
        new(new Uri(address), channelOptions.HttpHandler);

    public override CallInvoker CreateCallInvoker() => new Invoker(http);

    public void Dispose() => http.Dispose();
}

internal sealed class Invoker(HttpClient http) : CallInvoker
{
    public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var stream = new ResponseStream<TRequest, TResponse>(http, method, options, request);
        return new(OnlyAsync(stream), stream.Dispose);
    }

    public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
        Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
    {
        var stream = new ResponseStream<TRequest, TResponse>(http, method, options, request);
        return new(stream, stream.Dispose);
    }

    private static async Task<T> OnlyAsync<T>(IAsyncStreamReader<T> stream)
    {
        if (!await stream.MoveNext(CancellationToken.None))
        {
            throw new RpcException(new(StatusCode.Internal, "no message came"), new());
        }
        var message = stream.Current;
        await stream.MoveNext(CancellationToken.None); // for the status
        return message;
    }
}

/// <summary>What a call gives; disposing cancels it.</summary>
internal sealed class ResponseStream<TRequest, TResponse> : IAsyncStreamReader<TResponse>, IDisposable
    where TRequest : class where TResponse : class
{
    private const int Prefix = 5; // a byte that tells of compression, and the length

    private readonly Method<TRequest, TResponse> method;
    private readonly CancellationTokenSource ended;
    private readonly Task<HttpResponseMessage> responding;
    private TResponse? current;

    internal ResponseStream(HttpClient http, Method<TRequest, TResponse> method, CallOptions options, TRequest request)
    {
        this.method = method;
        ended = CancellationTokenSource.CreateLinkedTokenSource(options.CancellationToken);
        var message = new HttpRequestMessage(HttpMethod.Post, method.FullName)
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(Written(request)),
        };
        message.Content.Headers.ContentType = new("application/grpc");
        message.Headers.TE.Add(new("trailers"));
        foreach (var entry in options.Headers ?? new())
        {
            message.Headers.TryAddWithoutValidation(entry.Key, entry.Value);
        }
        responding = http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, ended.Token);
    }

    public TResponse Current => current ?? throw new InvalidOperationException("there is no message yet");

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(ended.Token, cancellationToken);
            var response = await responding;
            if (response.Headers.Contains("grpc-status"))
            {
                return End(response.Headers);
            }
            var body = await response.Content.ReadAsStreamAsync(either.Token);
            var prefix = new byte[Prefix];
            if (await body.ReadAtLeastAsync(prefix, Prefix, throwOnEndOfStream: false, either.Token) < Prefix)
            {
                return End(response.TrailingHeaders);
            }
            var payload = new byte[BinaryPrimitives.ReadUInt32BigEndian(prefix.AsSpan(1))];
            await body.ReadExactlyAsync(payload, either.Token);
            current = method.ResponseMarshaller.ContextualDeserializer(new Received(payload));
            return true;
        }
        catch (OperationCanceledException)
        {
            throw new RpcException(new(StatusCode.Cancelled, "Call canceled by the client."), new());
        }
        catch (Exception failed) when (failed is HttpRequestException or IOException)
        {
            throw new RpcException(new(StatusCode.Unavailable, $"Error starting gRPC call. {failed.Message}"), new());
        }
    }

    public void Dispose() => ended.Cancel();

    private static bool End(HttpResponseHeaders trailers)
    {
        var metadata = new Metadata();
        var words = new Dictionary<string, string> { ["grpc-status"] = "2", ["grpc-message"] = "" };
        foreach (var (name, values) in trailers)
        {
            words[name] = string.Join(",", values);
            metadata.Add(name.ToLowerInvariant(), words[name]);
        }
        var code = (StatusCode)int.Parse(words["grpc-status"]);
        return code == StatusCode.OK
            ? false
            : throw new RpcException(new(code, Uri.UnescapeDataString(words["grpc-message"])), metadata);
    }

    private byte[] Written(TRequest request)
    {
        var context = new Sent();
        method.RequestMarshaller.ContextualSerializer(request, context);
        var payload = context.Buffer.WrittenSpan;
        var framed = new byte[Prefix + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(framed.AsSpan(1), (uint)payload.Length);
        payload.CopyTo(framed.AsSpan(Prefix));
        return framed;
    }

    private sealed class Sent : SerializationContext
    {
        internal ArrayBufferWriter<byte> Buffer { get; } = new();

        public override void SetPayloadLength(int payloadLength)
        {
        }

        public override IBufferWriter<byte> GetBufferWriter() => Buffer;

        public override void Complete()
        {
        }

        public override void Complete(byte[] payload) => Buffer.Write(payload);
    }

    private sealed class Received(byte[] payload) : DeserializationContext
    {
        public override byte[] PayloadAsNewBuffer() => payload;

        public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => new(payload);
    }
}
