/** Numbers and their shape, row-major (NCHW). */
export interface Values {
  shape: number[];
  data: ArrayLike<number>;
}

export interface FloatArray extends Values {
  data: Float32Array;
}

export type Arrays = Record<string, FloatArray>;
/** A blob by name, or a layer's learnable blob by index (mostly 0 the weights, 1 the bias). */
export type BlobName = string | [layer: string, index: number];
export type Part = 'data' | 'diff';
export type Phase = 'train' | 'test';

export interface Options {
  /** Bearer token. */
  token?: string;
  /** PEM; with them the connection is encrypted. */
  rootCertificates?: string | Uint8Array;
  /** PEM of this client's own certificate and key, for servers that ask who is there. */
  certificate?: string | Uint8Array;
  privateKey?: string | Uint8Array;
}

export interface Range {
  /** First and last layer to run. */
  start?: string;
  end?: string;
  /** Blobs to give besides the outputs. */
  blobs?: string[];
}

export interface Shape {
  dims: number[];
}

export interface NetDescription {
  net: number;
  name: string;
  phase: 'PHASE_TRAIN' | 'PHASE_TEST';
  layers: { name: string; type: string; bottoms: string[]; tops: string[]; params: Shape[] }[];
  blobs: { name: string; shape: Shape }[];
  inputs: string[];
  outputs: string[];
}

export interface Output {
  name: string;
  value: number;
  loss_weight: number;
}

/** What happens while a solver trains, in the order it happens. */
export type TrainingEvent =
  | { kind: 'started'; iteration: number; net: string; lr_policy: string }
  | { kind: 'testing'; iteration: number; net_index: number; batch: number; batches: number }
  | { kind: 'tested'; iteration: number; net_index: number; outputs: Output[]; loss?: number; interrupted: boolean }
  | {
      kind: 'iteration';
      iteration: number;
      loss: number;
      smoothed_loss: number;
      rate: number;
      outputs: Output[];
      seconds: number;
      displayed: boolean;
    }
  | { kind: 'snapshot'; iteration: number; paths: string[] }
  | { kind: 'evaluated'; iteration: number; smoothed_loss: number }
  | { kind: 'finished'; iteration: number; stopped: boolean };

/** A connection to the server at host:port. */
export function connect(address: string, options?: Options): Client;

/** What the server raised; `message` is the whole sentence. */
export class CaffeError extends Error {
  /** gRPC status, such as INVALID_ARGUMENT. */
  status: string;
  /** One word, such as shape; bridge when no server answers. */
  code: string;
  where: string;
  what: string;
  remedy: string;
  identifier: string;
  line: number;
  column: number;
}

export interface Client {
  information(): Promise<{
    version: string;
    facts: { name: string; value: string }[];
    nets: number;
    solvers: number;
  }>;
  net(
    model: ({ text: string } | { path: string }) & {
      phase?: Phase;
      weights?: Uint8Array;
      level?: number;
      stages?: string[];
    },
  ): Promise<Net>;
  solver(model: { text: string } | { path: string }): Promise<Solver>;
  close(): void;
}

export interface Net {
  readonly description: NetDescription;
  readonly inputs: string[];
  readonly outputs: string[];
  readonly layers: NetDescription['layers'];
  forward(inputs?: Record<string, Values>, range?: Range): Promise<Arrays>;
  predict(images: Uint8Array[], range?: Pick<Range, 'blobs'>): Promise<Arrays>;
  backward(diffs?: Record<string, Values>, range?: Range): Promise<Arrays>;
  get(blob: BlobName, part?: Part): Promise<FloatArray>;
  set(blob: BlobName, values: Values, part?: Part): Promise<void>;
  reshape(shapes: Record<string, number[]>): Promise<void>;
  /** The bytes of a caffemodel. */
  weights(): Promise<Uint8Array>;
  /** Load such bytes; gives the names of the layers they went into. */
  copyFrom(caffemodel: Uint8Array): Promise<string[]>;
  release(): Promise<void>;
}

export interface Solver {
  readonly net: Net;
  /** Train for so many iterations more; leaving the loop ends the training. */
  step(iterations: number): AsyncGenerator<TrainingEvent>;
  /** Train to max_iter. */
  solve(): AsyncGenerator<TrainingEvent>;
  state(): Promise<{ solver: number; net: number; test_nets: number[]; iter: number; max_iter: number; training: boolean }>;
  snapshot(): Promise<string>;
  restore(path: string): Promise<void>;
  release(): Promise<void>;
}
