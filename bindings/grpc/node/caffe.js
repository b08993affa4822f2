// Client of a caffe_sdk server: nets and solvers that live there.
//
//   const server = connect('127.0.0.1:50051');
//   const net = await server.net({ text: prototxt, weights: caffemodel });
//   const { prob } = await net.forward({ data: { shape: [1, 1, 28, 28], data: pixels } });
//
// An array is { shape, data } with a Float32Array in row-major order (NCHW).

import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import protobuf from 'protobufjs';

const PROTO = fileURLToPath(new URL('../../../proto/', import.meta.url));
const SOURCE = 'caffe_sdk/v1/caffe_sdk.proto';
const ERROR_KEY = 'caffe-error-bin';

const definition = loader.loadSync(SOURCE, {
  includeDirs: [PROTO], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true,
});
const ErrorParts = protobuf.loadSync(PROTO + SOURCE).lookupType('caffe_sdk.v1.Error');
const { Nets, Server, Solvers } = grpc.loadPackageDefinition(definition).caffe_sdk.v1;

/** What the server raised: code, where, what, remedy and MATLAB identifier besides the words. */
export class CaffeError extends Error {
  constructor(failed) {
    super(failed.details);
    this.name = 'CaffeError';
    this.status = grpc.status[failed.code];
    const [bytes] = failed.metadata?.get(ERROR_KEY) ?? [];
    const parts = bytes ? ErrorParts.decode(bytes) : { code: 'bridge', what: failed.details };
    Object.assign(this, ErrorParts.toObject(ErrorParts.fromObject(parts), { defaults: true }));
  }
}

/**
 * A connection to the server at host:port. With rootCertificates (PEM) it is encrypted; certificate and privateKey tell
 * the server who is there, and so does a bearer token.
 */
export function connect(address, { token, rootCertificates, certificate, privateKey } = {}) {
  const credentials = rootCertificates
    ? grpc.credentials.createSsl(Buffer.from(rootCertificates), pem(privateKey), pem(certificate))
    : grpc.credentials.createInsecure();
  return new Client(address, credentials, token);
}

class Client {
  constructor(address, credentials, token) {
    const options = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
    // A name that nobody guesses, for the server to hold this client's objects under.
    options.interceptors = [introduce({ 'caffe-session': randomUUID(), ...(token && { authorization: `Bearer ${token}` }) })];
    this.services = [Server, Nets, Solvers].map((Service) => new Service(address, credentials, options));
    [this.server, this.nets, this.solvers] = this.services;
  }

  /** Has the server keep what is created for as long as this client is there: when the program dies it is let go. */
  hold() {
    this.lease ??= new Promise((resolve, reject) => {
      const call = this.server.Attach({});
      call.once('data', () => resolve(call));
      call.on('error', (failed) => reject(new CaffeError(failed)));
    });
    return this.lease;
  }

  /** Version, facts about what computes there, and how many objects are held. */
  information() {
    return call(this.server, 'GetInformation', {});
  }

  /** A new net of prototxt text (or of a file of the server's, by path); weights are the bytes of a caffemodel. */
  async net({ text, path, phase = 'test', weights, level = 0, stages = [] }) {
    const model = path === undefined ? { text } : { path };
    const request = { model, phase: `PHASE_${phase.toUpperCase()}`, level, stages };
    if (weights !== undefined) request.weights = { data: weights };
    await this.hold();
    return new Net(this, await call(this.nets, 'CreateNet', request));
  }

  /** A new solver of prototxt text (or of a file of the server's, by path). */
  async solver({ text, path }) {
    const model = path === undefined ? { text } : { path };
    await this.hold();
    const solver = await call(this.solvers, 'CreateSolver', { model });
    const net = await call(this.nets, 'DescribeNet', { net: solver.net });
    return new Solver(this, solver, new Net(this, net));
  }

  /** End the connection; the server lets go what was made through it. */
  close() {
    this.lease?.then((call) => call.cancel(), () => {});
    this.services.forEach((service) => service.close());
  }
}

class Net {
  constructor(client, description) {
    this.service = client.nets;
    this.description = description;
    this.handle = description.net;
    ({ inputs: this.inputs, outputs: this.outputs, layers: this.layers } = description);
  }

  /** Set the inputs, run layers start to end, give the outputs and the blobs asked for. */
  async forward(inputs = {}, { start, end, blobs = [] } = {}) {
    const request = { net: this.handle, inputs: namedTensors(inputs), blobs, ...range(start, end) };
    return named((await call(this.service, 'Forward', request)).outputs);
  }

  /** The outputs for image files (JPEG, PNG, ...), given as bytes and prepared as the net's record says. */
  async predict(images, { blobs = [] } = {}) {
    return named((await call(this.service, 'Predict', { net: this.handle, images, blobs })).outputs);
  }

  /** Set the outputs' gradients, run layers start back to end, give the inputs' gradients. */
  async backward(diffs = {}, { start, end, blobs = [] } = {}) {
    const request = { net: this.handle, diffs: namedTensors(diffs), blobs, ...range(start, end) };
    return named((await call(this.service, 'Backward', request)).diffs);
  }

  /** A blob by name, or [layer, index] for a learnable one; part is 'data' or 'diff'. */
  async get(blob, part = 'data') {
    const request = { net: this.handle, blobs: [reference(blob)], part: `PART_${part.toUpperCase()}` };
    return array((await call(this.service, 'GetBlobs', request)).tensors[0]);
  }

  async set(blob, values, part = 'data') {
    const one = { blob: reference(blob), part: `PART_${part.toUpperCase()}`, values: tensor(values) };
    await call(this.service, 'SetBlobs', { net: this.handle, blobs: [one] });
  }

  /** Give blobs, by name, other shapes and carry them through the net. */
  async reshape(shapes) {
    for (const [name, dims] of Object.entries(shapes)) {
      await call(this.service, 'ReshapeBlob', { net: this.handle, blob: reference(name), shape: { dims } });
    }
    this.description = await call(this.service, 'ReshapeNet', { net: this.handle });
  }

  /** The bytes of a caffemodel. */
  async weights() {
    return (await call(this.service, 'GetWeights', { net: this.handle })).data;
  }

  /** Load the bytes of a caffemodel; gives the names of the layers that were loaded. */
  async copyFrom(data) {
    return (await call(this.service, 'CopyFrom', { net: this.handle, weights: { data } })).layers;
  }

  release() {
    return call(this.service, 'ReleaseNet', { net: this.handle });
  }
}

class Solver {
  constructor(client, description, net) {
    this.service = client.solvers;
    this.handle = description.solver;
    this.net = net;
  }

  /** Train, giving { kind, ...event } as it happens. Leaving the loop ends the training. */
  async *step(iterations) {
    yield* events(this.service.Step({ solver: this.handle, iterations }));
  }

  /** Train to max_iter. */
  async *solve() {
    yield* events(this.service.Solve({ solver: this.handle }));
  }

  /** Iterations made and to make. */
  state() {
    return call(this.service, 'DescribeSolver', { solver: this.handle });
  }

  /** Write a snapshot on the server; gives the solverstate's path there. */
  async snapshot() {
    return (await call(this.service, 'Snapshot', { solver: this.handle })).solverstate;
  }

  /** Go on from a solverstate in the server's folder. */
  async restore(path) {
    await call(this.service, 'Restore', { solver: this.handle, path });
  }

  release() {
    return call(this.service, 'ReleaseSolver', { solver: this.handle });
  }
}

function pem(text) {
  return text ? Buffer.from(text) : null;
}

/** Puts who we are into each call's metadata. */
function introduce(entries) {
  return (options, nextCall) => new grpc.InterceptingCall(nextCall(options), {
    start(metadata, listener, next) {
      Object.entries(entries).forEach(([key, value]) => metadata.set(key, value));
      next(metadata, listener);
    },
  });
}

function call(service, name, request) {
  return new Promise((resolve, reject) => {
    service[name](request, (failed, reply) => (failed ? reject(new CaffeError(failed)) : resolve(reply)));
  });
}

async function* events(stream) {
  try {
    for await (const event of stream) yield { kind: event.event, ...event[event.event] };
  } catch (failed) {
    throw new CaffeError(failed);
  } finally {
    stream.cancel();
  }
}

function range(start, end) {
  return { ...(start !== undefined && { start }), ...(end !== undefined && { end }) };
}

function reference(blob) {
  return Array.isArray(blob) ? { parameter: { layer: blob[0], index: blob[1] } } : { name: blob };
}

function tensor({ shape, data }) {
  const values = Float32Array.from(data);
  return { shape, type: 'DATA_TYPE_FLOAT32', data: Buffer.from(values.buffer) };
}

function array({ shape, data }) {
  const start = data.byteOffset; // not always a multiple of 4: the bytes are copied
  return { shape, data: new Float32Array(data.buffer.slice(start, start + data.length)) };
}

function namedTensors(arrays) {
  return Object.entries(arrays).map(([name, values]) => ({ name, tensor: tensor(values) }));
}

function named(tensors) {
  return Object.fromEntries(tensors.map(({ name, tensor: values }) => [name, array(values)]));
}
