package caffesdk;

import caffe_sdk.v1.AttachRequest;
import caffe_sdk.v1.CreateNetRequest;
import caffe_sdk.v1.CreateSolverRequest;
import caffe_sdk.v1.DescribeNetRequest;
import caffe_sdk.v1.GetInformationRequest;
import caffe_sdk.v1.Information;
import caffe_sdk.v1.Model;
import caffe_sdk.v1.NetsGrpc;
import caffe_sdk.v1.Phase;
import caffe_sdk.v1.ServerGrpc;
import caffe_sdk.v1.SolversGrpc;
import caffe_sdk.v1.Weights;
import com.google.protobuf.UnsafeByteOperations;
import io.grpc.ChannelCredentials;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.stub.MetadataUtils;
import java.util.List;
import java.util.UUID;

/**
 * A connection to a caffe_sdk server: Caffe's nets and solvers, which live there.
 *
 * <pre>{@code
 * try (Client server = Client.connect("127.0.0.1:50051");
 *     Net net = server.net(prototxt, Phase.PHASE_TEST, caffemodel)) {
 *   Array prob = net.forward(Map.of("data", Array.of(pixels, 1, 1, 28, 28))).get("prob");
 * }
 * }</pre>
 *
 * <p>Calls may be made from any thread; all throw {@link CaffeException}.
 */
public final class Client implements AutoCloseable {
  private final ManagedChannel channel;
  final ServerGrpc.ServerBlockingStub server;
  final NetsGrpc.NetsBlockingStub nets;
  final SolversGrpc.SolversBlockingStub solvers;
  private Context.CancellableContext lease;

  private Client(String address, ChannelCredentials credentials, String token) {
    ManagedChannelBuilder<?> builder = Grpc.newChannelBuilder(address, credentials);
    builder.maxInboundMessageSize(Integer.MAX_VALUE); // the server has the limit that counts
    Metadata headers = new Metadata();
    // A name that nobody guesses, for the server to hold this client's objects under.
    headers.put(Metadata.Key.of("caffe-session", Metadata.ASCII_STRING_MARSHALLER), UUID.randomUUID().toString());
    if (token != null) {
      headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
    }
    builder.intercept(MetadataUtils.newAttachHeadersInterceptor(headers));
    channel = builder.build();
    server = ServerGrpc.newBlockingStub(channel);
    nets = NetsGrpc.newBlockingStub(channel);
    solvers = SolversGrpc.newBlockingStub(channel);
  }

  /** A client of the server at host:port, without encryption. */
  public static Client connect(String address) {
    return new Client(address, InsecureChannelCredentials.create(), null);
  }

  /** A client with credentials (io.grpc.TlsChannelCredentials) and a bearer token, or null. */
  public static Client connect(String address, ChannelCredentials credentials, String token) {
    return new Client(address, credentials, token);
  }

  /** A new net of a prototxt's text, for tests, without weights. */
  public Net net(String prototxt) {
    return net(prototxt, Phase.PHASE_TEST, null, 0, List.of());
  }

  /** A new net; {@code caffemodel} is the bytes of one, or null. */
  public Net net(String prototxt, Phase phase, byte[] caffemodel) {
    return net(prototxt, phase, caffemodel, 0, List.of());
  }

  /** A new net whose layers are chosen by level and stages too. */
  public Net net(String prototxt, Phase phase, byte[] caffemodel, int level, List<String> stages) {
    hold();
    CreateNetRequest.Builder request = CreateNetRequest.newBuilder().setModel(Model.newBuilder().setText(prototxt));
    request.setPhase(phase).setLevel(level).addAllStages(stages);
    if (caffemodel != null) {
      request.setWeights(Weights.newBuilder().setData(UnsafeByteOperations.unsafeWrap(caffemodel)));
    }
    return new Net(this, CaffeException.call(() -> nets.createNet(request.build())), true);
  }

  /** A new solver of a prototxt's text. */
  public Solver solver(String prototxt) {
    hold();
    CreateSolverRequest request =
        CreateSolverRequest.newBuilder().setModel(Model.newBuilder().setText(prototxt)).build();
    caffe_sdk.v1.Solver made = CaffeException.call(() -> solvers.createSolver(request));
    DescribeNetRequest ofNet = DescribeNetRequest.newBuilder().setNet(made.getNet()).build();
    return new Solver(this, made, new Net(this, CaffeException.call(() -> nets.describeNet(ofNet)), false));
  }

  /** Version, facts about what computes there, and how many objects are held. */
  public Information information() {
    return CaffeException.call(() -> server.getInformation(GetInformationRequest.getDefaultInstance()));
  }

  /** End the connection; the server lets go what was made through it. */
  @Override
  public synchronized void close() {
    if (lease != null) {
      lease.cancel(null);
    }
    channel.shutdown();
  }

  /** Has the server keep what is created for as long as this client is there: when the program dies it is let go. */
  private synchronized void hold() {
    if (lease == null) {
      Context.CancellableContext context = Context.ROOT.withCancellation();
      AttachRequest request = AttachRequest.getDefaultInstance();
      Context before = context.attach();
      try {
        CaffeException.call(() -> server.attach(request).next());
      } finally {
        context.detach(before);
      }
      lease = context;
    }
  }
}
