// Plays the scenarios of a file on a server and prints what each step gives, as JSON.
// tests/clients/conformance.py tells what they are.
//
//   node conformance.js scenarios.json HOST:PORT

import { readFileSync } from 'node:fs';
import { CaffeError, connect } from './caffe.js';

/** Plays one scenario; the verb of a step is the name of a method. */
class Player {
  constructor(server, models) {
    Object.assign(this, { server, models, nets: {}, solvers: {}, kept: {} });
  }

  async play(steps) {
    const notes = [];
    for (const step of steps) {
      try {
        notes.push((await this[step.verb](step)) ?? null);
      } catch (error) {
        if (!(error instanceof CaffeError)) throw error;
        notes.push({ error: error.code });
      }
    }
    return notes;
  }

  async net({ net, phase, weights, ...step }) {
    this.nets[net] = await this.server.net({ text: this.text(step), phase, weights: this.kept[weights] });
  }

  async solver({ solver, ...step }) {
    this.solvers[solver] = await this.server.solver({ text: this.text(step) });
  }

  describe({ net }) {
    const { inputs, outputs, layers, blobs } = this.netOf(net).description;
    const params = layers.filter((layer) => layer.params.length > 0);
    return {
      inputs,
      outputs,
      layers: layers.map(({ name, type }) => [name, type]),
      blobs: blobs.map(({ name, shape }) => [name, shape.dims]),
      params: params.map(({ name, params: shapes }) => [name, shapes.map(({ dims }) => dims)]),
    };
  }

  set({ net, blob, part, values }) {
    return this.netOf(net).set(blob, array(values), part);
  }

  async get({ net, blob, part }) {
    return noted(await this.netOf(net).get(blob, part));
  }

  reshape({ net, shapes }) {
    return this.netOf(net).reshape(shapes);
  }

  async forward({ net, inputs, ...range }) {
    return allNoted(await this.netOf(net).forward(arrays(inputs), range));
  }

  async backward({ net, diffs }) {
    return allNoted(await this.netOf(net).backward(arrays(diffs)));
  }

  async weights({ net, weights }) {
    this.kept[weights] = await this.netOf(net).weights();
  }

  copy_from({ net, weights }) {
    return this.netOf(net).copyFrom(this.kept[weights]);
  }

  async release({ net }) {
    await this.netOf(net).release();
  }

  async step({ solver, iterations }) {
    const losses = [];
    for await (const event of this.solvers[solver].step(iterations)) {
      if (event.kind === 'iteration') losses.push(event.loss);
    }
    return losses;
  }

  async solve({ solver }) {
    for await (const event of this.solvers[solver].solve()) if (event.kind === 'finished') break;
  }

  async state({ solver }) {
    const { iter, max_iter } = await this.solvers[solver].state();
    return { iter, max_iter };
  }

  text({ model, replace }) {
    const text = this.models[model].join('\n');
    return replace ? text.replaceAll(...replace) : text;
  }

  netOf(name) {
    return name.endsWith('.net') ? this.solvers[name.slice(0, -'.net'.length)].net : this.nets[name];
  }
}

function array({ shape, values, start, step }) {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return { shape, data: Float32Array.from({ length: count }, (_, i) => (values ? values[i] : start + step * i)) };
}

function arrays(written) {
  return Object.fromEntries(Object.entries(written).map(([name, values]) => [name, array(values)]));
}

function noted({ shape, data }) {
  return { shape, data: [...data] };
}

function allNoted(blobs) {
  return Object.fromEntries(Object.entries(blobs).map(([name, blob]) => [name, noted(blob)]));
}

const [file, address] = process.argv.slice(2);
const { models, scenarios } = JSON.parse(readFileSync(file, 'utf8'));
const server = connect(address);
const notes = {};
for (const { name, steps } of scenarios) notes[name] = await new Player(server, models).play(steps);
server.close();
console.log(JSON.stringify(notes));
