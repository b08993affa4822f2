// What the client and the stubs of grpc_csharp_plugin use of Grpc.Core.Api 2.65, with its names and types. In this order:
// statuses, metadata, messages and methods, calls, invokers of calls, clients, what puts metadata into calls.

using System.Buffers;
using System.Collections;
using System.Runtime.CompilerServices;

namespace Grpc.Core
{
    public enum StatusCode
    {
        OK, Cancelled, Unknown, InvalidArgument, DeadlineExceeded, NotFound, AlreadyExists, PermissionDenied,
        ResourceExhausted, FailedPrecondition, Aborted, OutOfRange, Unimplemented, Internal, Unavailable, DataLoss,
        Unauthenticated,
    }

    public readonly record struct Status(StatusCode StatusCode, string Detail);

    public class RpcException(Status status, Metadata trailers) : Exception(
        $"Status(StatusCode=\"{status.StatusCode}\", Detail=\"{status.Detail}\")")
    {
        public Status Status { get; } = status;

        public StatusCode StatusCode => Status.StatusCode;

        public Metadata Trailers { get; } = trailers;
    }

    public sealed class Metadata : IEnumerable<Metadata.Entry>
    {
        private readonly List<Entry> entries = [];

        public void Add(string key, string value) => entries.Add(new(key, value));

        public byte[]? GetValueBytes(string key)
        {
            var found = entries.LastOrDefault(entry => entry.Key == key);
            return found is null ? null : Convert.FromBase64String(found.Value.PadRight((found.Value.Length + 3) / 4 * 4, '='));
        }

        public IEnumerator<Entry> GetEnumerator() => entries.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

        public sealed record Entry(string Key, string Value);
    }

    public abstract class SerializationContext
    {
        public abstract void SetPayloadLength(int payloadLength);

        public abstract IBufferWriter<byte> GetBufferWriter();

        public abstract void Complete();

        public abstract void Complete(byte[] payload);
    }

    public abstract class DeserializationContext
    {
        public abstract byte[] PayloadAsNewBuffer();

        public abstract ReadOnlySequence<byte> PayloadAsReadOnlySequence();
    }

    public sealed class Marshaller<T>(Action<T, SerializationContext> serializer, Func<DeserializationContext, T> deserializer)
    {
        public Action<T, SerializationContext> ContextualSerializer { get; } = serializer;

        public Func<DeserializationContext, T> ContextualDeserializer { get; } = deserializer;
    }

    public static class Marshallers
    {
        public static Marshaller<T> Create<T>(
            Action<T, SerializationContext> serializer, Func<DeserializationContext, T> deserializer) =>
            new(serializer, deserializer);
    }

    public enum MethodType
    {
        Unary, ClientStreaming, ServerStreaming, DuplexStreaming,
    }

    public sealed class Method<TRequest, TResponse>(
        MethodType type,
        string serviceName,
        string name,
        Marshaller<TRequest> requestMarshaller,
        Marshaller<TResponse> responseMarshaller)
    {
        public MethodType Type { get; } = type;

        public string FullName { get; } = $"/{serviceName}/{name}";

        public Marshaller<TRequest> RequestMarshaller { get; } = requestMarshaller;

        public Marshaller<TResponse> ResponseMarshaller { get; } = responseMarshaller;
    }

    public readonly struct CallOptions(
        Metadata? headers = null, DateTime? deadline = null, CancellationToken cancellationToken = default)
    {
        public Metadata? Headers { get; } = headers;

        public DateTime? Deadline { get; } = deadline;

        public CancellationToken CancellationToken { get; } = cancellationToken;

        public CallOptions WithHeaders(Metadata headers) => new(headers, Deadline, CancellationToken);
    }

    public interface IAsyncStreamReader<out T>
    {
        T Current { get; }

        Task<bool> MoveNext(CancellationToken cancellationToken);
    }

    public sealed class AsyncUnaryCall<TResponse>(Task<TResponse> responseAsync, Action dispose) : IDisposable
    {
        public Task<TResponse> ResponseAsync { get; } = responseAsync;

        public TaskAwaiter<TResponse> GetAwaiter() => ResponseAsync.GetAwaiter();

        public void Dispose() => dispose();
    }

    public sealed class AsyncServerStreamingCall<TResponse>(IAsyncStreamReader<TResponse> responseStream, Action dispose)
        : IDisposable
    {
        public IAsyncStreamReader<TResponse> ResponseStream { get; } = responseStream;

        public void Dispose() => dispose();
    }

    // The stubs name these two; the client makes no such call.
    public abstract class AsyncClientStreamingCall<TRequest, TResponse>;

    public abstract class AsyncDuplexStreamingCall<TRequest, TResponse>;

    public abstract class CallInvoker
    {
        public abstract AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
            where TRequest : class where TResponse : class;

        public abstract AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
            where TRequest : class where TResponse : class;

        public TResponse BlockingUnaryCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request)
            where TRequest : class where TResponse : class =>
            AsyncUnaryCall(method, host, options, request).GetAwaiter().GetResult();

        public AsyncClientStreamingCall<TRequest, TResponse> AsyncClientStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options) =>
            throw new NotSupportedException(method.FullName);

        public AsyncDuplexStreamingCall<TRequest, TResponse> AsyncDuplexStreamingCall<TRequest, TResponse>(
            Method<TRequest, TResponse> method, string? host, CallOptions options) =>
            throw new NotSupportedException(method.FullName);
    }

    public abstract class ChannelBase(string target)
    {
        public string Target { get; } = target;

        public abstract CallInvoker CreateCallInvoker();
    }

    public abstract class ClientBase
    {
        private readonly CallInvoker? invoker;

        protected ClientBase()
        {
        }

        protected ClientBase(CallInvoker callInvoker) => invoker = callInvoker;

        protected CallInvoker CallInvoker => invoker ?? throw new InvalidOperationException("a mock makes no calls");

        protected internal sealed class ClientBaseConfiguration(CallInvoker undecorated)
        {
            internal CallInvoker Undecorated { get; } = undecorated;
        }
    }

    public abstract class ClientBase<T> : ClientBase where T : ClientBase<T>
    {
        protected ClientBase()
        {
        }

        protected ClientBase(ChannelBase channel) : base(channel.CreateCallInvoker())
        {
        }

        protected ClientBase(CallInvoker callInvoker) : base(callInvoker)
        {
        }

        protected ClientBase(ClientBaseConfiguration configuration) : base(configuration.Undecorated)
        {
        }

        protected abstract T NewInstance(ClientBaseConfiguration configuration);
    }
}

namespace Grpc.Core.Interceptors
{
    public static class ChannelExtensions
    {
        public static CallInvoker Intercept(this ChannelBase channel, Func<Metadata, Metadata> interceptor) =>
            new WithMetadata(channel.CreateCallInvoker(), interceptor);

        private sealed class WithMetadata(CallInvoker inner, Func<Metadata, Metadata> interceptor) : CallInvoker
        {
            public override AsyncUnaryCall<TResponse> AsyncUnaryCall<TRequest, TResponse>(
                Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
                inner.AsyncUnaryCall(method, host, Changed(options), request);

            public override AsyncServerStreamingCall<TResponse> AsyncServerStreamingCall<TRequest, TResponse>(
                Method<TRequest, TResponse> method, string? host, CallOptions options, TRequest request) =>
                inner.AsyncServerStreamingCall(method, host, Changed(options), request);

            private CallOptions Changed(CallOptions options) =>
                options.WithHeaders(interceptor(options.Headers ?? new Metadata()));
        }
    }
}
