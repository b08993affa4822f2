// Classify: node example.js classify HOST:PORT deploy.prototxt weights.caffemodel pixels.bin
//   pixels.bin holds little-endian float32 values of the first input; prints the outputs as JSON.
// Train:    node example.js train HOST:PORT solver.prototxt ITERATIONS
//   trains a solver whose net needs no files with what its input blobs hold; prints the losses.

import { readFileSync } from 'node:fs';
import { CaffeError, connect } from './caffe.js';

const [task, address, file, ...rest] = process.argv.slice(2);
const server = connect(address);
try {
  const text = readFileSync(file, 'utf8');
  if (task === 'classify') {
    const net = await server.net({ text, weights: readFileSync(rest[0]) });
    const pixels = readFileSync(rest[1]);
    const data = new Float32Array(pixels.buffer.slice(pixels.byteOffset, pixels.byteOffset + pixels.length));
    const { shape } = net.description.blobs.find((blob) => blob.name === net.inputs[0]);
    const outputs = await net.forward({ [net.inputs[0]]: { shape: shape.dims, data } });
    const plain = Object.entries(outputs).map(([name, { shape: dims, data: values }]) => [name, { shape: dims, data: [...values] }]);
    console.log(JSON.stringify(Object.fromEntries(plain)));
    await net.release();
  } else {
    const solver = await server.solver({ text });
    const losses = [];
    for await (const event of solver.step(Number(rest[0]))) if (event.kind === 'iteration') losses.push(event.loss);
    console.log(JSON.stringify(losses));
    await solver.release();
  }
} catch (error) {
  if (!(error instanceof CaffeError)) throw error;
  const { status, code, identifier, message } = error;
  console.log(JSON.stringify({ status, code, identifier, message }));
  process.exitCode = 1;
} finally {
  server.close();
}
