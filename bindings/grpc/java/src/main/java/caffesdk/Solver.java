package caffesdk;

import caffe_sdk.v1.DescribeSolverRequest;
import caffe_sdk.v1.Event;
import caffe_sdk.v1.ReleaseSolverRequest;
import caffe_sdk.v1.RestoreRequest;
import caffe_sdk.v1.SnapshotRequest;
import caffe_sdk.v1.SolveRequest;
import caffe_sdk.v1.StepRequest;
import io.grpc.Context;
import java.util.Iterator;
import java.util.function.Function;
import java.util.function.Predicate;

/** A solver on the server, and its train net. */
public final class Solver implements AutoCloseable {
  private final Client client;
  private final long handle;
  private final Net net;

  Solver(Client client, caffe_sdk.v1.Solver made, Net net) {
    this.client = client;
    this.handle = made.getSolver();
    this.net = net;
  }

  /** The train net; it goes with the solver. */
  public Net net() {
    return net;
  }

  /** Train for so many iterations more. */
  public void step(long iterations) {
    step(iterations, event -> true);
  }

  /** Train, telling what happens; {@code onEvent} giving false ends the training after the iteration it is at. */
  public void step(long iterations, Predicate<Event> onEvent) {
    StepRequest request = StepRequest.newBuilder().setSolver(handle).setIterations(iterations).build();
    train(client -> client.solvers.step(request), onEvent);
  }

  /** Train to max_iter. */
  public void solve(Predicate<Event> onEvent) {
    SolveRequest request = SolveRequest.newBuilder().setSolver(handle).build();
    train(client -> client.solvers.solve(request), onEvent);
  }

  /** Iterations made and to make. */
  public caffe_sdk.v1.Solver state() {
    DescribeSolverRequest request = DescribeSolverRequest.newBuilder().setSolver(handle).build();
    return CaffeException.call(() -> client.solvers.describeSolver(request));
  }

  /** Write a snapshot on the server; gives the solverstate's path there. */
  public String snapshot() {
    SnapshotRequest request = SnapshotRequest.newBuilder().setSolver(handle).build();
    return CaffeException.call(() -> client.solvers.snapshot(request)).getSolverstate();
  }

  /** Go on from a solverstate in the server's folder. */
  public void restore(String solverstate) {
    RestoreRequest request = RestoreRequest.newBuilder().setSolver(handle).setPath(solverstate).build();
    CaffeException.call(() -> client.solvers.restore(request));
  }

  /** Let the solver and its nets go. */
  @Override
  public void close() {
    ReleaseSolverRequest request = ReleaseSolverRequest.newBuilder().setSolver(handle).build();
    CaffeException.call(() -> client.solvers.releaseSolver(request));
  }

  private void train(Function<Client, Iterator<Event>> open, Predicate<Event> onEvent) {
    Context.CancellableContext context = Context.current().withCancellation();
    Context before = context.attach();
    try {
      CaffeException.call(() -> {
        Iterator<Event> events = open.apply(client);
        boolean wanted = true;
        while (wanted && events.hasNext()) {
          wanted = onEvent.test(events.next());
        }
        return null;
      });
    } finally {
      context.detach(before);
      context.cancel(null); // nothing, where the stream has ended
    }
  }
}
