// Compiled, not run: `npm run types` holds the examples of the README against caffe.d.ts.

import { CaffeError, connect, type Arrays } from './caffe.js';

export async function classify(prototxt: string, caffemodel: Uint8Array, pixels: Float32Array): Promise<Float32Array> {
  const server = connect('127.0.0.1:50051', { token: 'secret' });
  const net = await server.net({ text: prototxt, weights: caffemodel });
  const outputs: Arrays = await net.forward({ data: { shape: [1, 1, 28, 28], data: pixels } });
  await net.release();
  server.close();
  return outputs.prob.data;
}

export async function train(prototxt: string): Promise<number[]> {
  const losses: number[] = [];
  try {
    const solver = await connect('127.0.0.1:50051').solver({ text: prototxt });
    for await (const event of solver.step(100)) if (event.kind === 'iteration') losses.push(event.loss);
  } catch (error) {
    if (error instanceof CaffeError && error.code === 'prototxt') return [];
    throw error;
  }
  return losses;
}
