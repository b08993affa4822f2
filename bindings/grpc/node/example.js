// Classify: node example.js classify HOST:PORT deploy.prototxt weights.caffemodel image.png
//   prepares an image as the net's record says; prints each output's name and numbers.
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
    const outputs = await net.predict([readFileSync(rest[1])]);
    for (const [name, { data }] of Object.entries(outputs)) console.log(name, ...data);
    await net.release();
  } else {
    const solver = await server.solver({ text });
    for await (const event of solver.step(Number(rest[0]))) if (event.kind === 'iteration') console.log(event.loss);
    await solver.release();
  }
} catch (error) {
  if (!(error instanceof CaffeError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
} finally {
  server.close();
}
