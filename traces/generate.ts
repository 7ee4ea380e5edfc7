/**
 * Writes `transformer.csv.gz`: two training steps of a small transformer at tensor granularity, one row a tensor that a
 * kernel reads or writes. Same seed, same bytes. `npx tsx traces/generate.ts`
 */

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const SEED = 1;
const STEPS = 2;
const LAYERS = 8;
const WIDTH = 768;
const HEADS = 12;
const SEQUENCE = 512;
const BATCH = 8;
const VOCABULARY = 32_768;
const TOKENS = BATCH * SEQUENCE;
const HALF = 2;
const SINGLE = 4;

/** A plain accelerator: what its kernels take with all data at hand. */
const FLOPS_PER_NS = 120_000;
const BYTES_PER_NS = 1_200;
const KERNEL_NS = 4_000;
/** The host writes and reads tensors at this speed. */
const HOST_BYTES_PER_NS = 10;

const PAGE = 4096;
const BLOCK = 2 * 1024 * 1024;
const BASE = 0x10_0000_0000;

interface Tensor {
  readonly name: string;
  readonly address: number;
  readonly bytes: number;
}

/** mulberry32 */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** First fit over the address space; tensors from 1 MiB on begin at a 2 MiB block, smaller ones at a page. */
class Heap {
  readonly #taken: { from: number; to: number }[] = [];

  place(bytes: number): number {
    const align = bytes >= BLOCK / 2 ? BLOCK : PAGE;
    let at = BASE;
    let index = 0;
    for (; index < this.#taken.length; index++) {
      if (at + bytes <= this.#taken[index].from) break;
      at = Math.ceil(this.#taken[index].to / align) * align;
    }
    this.#taken.splice(index, 0, { from: at, to: at + Math.ceil(bytes / PAGE) * PAGE });
    return at;
  }

  release(address: number): void {
    this.#taken.splice(
      this.#taken.findIndex((range) => range.from === address),
      1,
    );
  }
}

class Program {
  readonly lines: string[] = [];
  readonly #heap = new Heap();
  #timeNs = 0;
  #kernels = 0;

  #row(actor: string, op: string, address: number, bytes: number, arg = ''): void {
    this.lines.push(`${this.#timeNs},${actor},${op},0x${address.toString(16)},${bytes},${arg}`);
  }

  alloc(name: string, bytes: number): Tensor {
    const tensor = { name, address: this.#heap.place(bytes), bytes };
    this.#row('cpu', 'alloc', tensor.address, bytes, name);
    return tensor;
  }

  free(...tensors: Tensor[]): void {
    for (const { address, bytes } of tensors) {
      this.#row('cpu', 'free', address, bytes);
      this.#heap.release(address);
    }
  }

  host(op: 'read' | 'write', { address, bytes }: Tensor): void {
    this.#row('cpu', op, address, bytes);
    this.#timeNs += Math.ceil(bytes / HOST_BYTES_PER_NS);
  }

  /** A kernel takes what its arithmetic or its bytes take, whichever is longer. */
  kernel(flops: number, reads: readonly Tensor[], writes: readonly Tensor[]): void {
    this.#row('gpu0', 'launch', 0, this.#kernels++);
    for (const { address, bytes } of reads) this.#row('gpu0', 'read', address, bytes);
    for (const { address, bytes } of writes) this.#row('gpu0', 'write', address, bytes);
    const bytes = [...reads, ...writes].reduce((sum, tensor) => sum + tensor.bytes, 0);
    this.#timeNs += KERNEL_NS + Math.ceil(Math.max(flops / FLOPS_PER_NS, bytes / BYTES_PER_NS));
  }

  sync(): void {
    this.#row('gpu0', 'sync', 0, 0);
  }
}

/** Flops of [rows x inner] x [inner x columns]. */
function product(rows: number, inner: number, columns: number): number {
  return 2 * rows * inner * columns;
}

interface Parameter {
  readonly weight: Tensor;
  readonly gradient: Tensor;
  readonly state: readonly Tensor[];
}

type Layer = Readonly<Record<'small' | 'qkv' | 'out' | 'up' | 'down', Parameter>>;

/** What the way back needs of the way there. */
type Saved = Readonly<
  Record<'input' | 'norm1' | 'qkv' | 'weights' | 'context' | 'middle' | 'norm2' | 'hidden' | 'gelu', Tensor>
>;

class Transformer {
  readonly #program = new Program();
  readonly #random = random(SEED);
  readonly #parameters: Parameter[] = [];
  readonly #stream = TOKENS * WIDTH * HALF;
  readonly #scores = BATCH * HEADS * SEQUENCE * SEQUENCE * HALF;

  generate(): string[] {
    const program = this.#program;
    const embedding = this.#parameter('embedding', VOCABULARY * WIDTH);
    const layers = Array.from({ length: LAYERS }, (_, i) => ({
      small: this.#parameter(`layer${i}.norms_and_biases`, 13 * WIDTH),
      qkv: this.#parameter(`layer${i}.qkv`, 3 * WIDTH * WIDTH),
      out: this.#parameter(`layer${i}.out`, WIDTH * WIDTH),
      up: this.#parameter(`layer${i}.up`, 4 * WIDTH * WIDTH),
      down: this.#parameter(`layer${i}.down`, 4 * WIDTH * WIDTH),
    }));
    // The host has the weights (a checkpoint); the optimizer's state begins as zeros on the device.
    for (const { weight } of this.#parameters) program.host('write', weight);
    for (const { state } of this.#parameters) program.kernel(0, [], state);

    const tokens = program.alloc('tokens', TOKENS * SINGLE);
    const loss = program.alloc('loss', SINGLE);
    for (let step = 0; step < STEPS; step++) {
      program.host('write', tokens);
      let x = this.#embed(embedding.weight, tokens);
      const saved = layers.map((layer) => {
        const forward = this.#forward(layer, x);
        x = forward.output;
        return forward;
      });
      let gradient = this.#head(embedding, x, tokens, loss);
      for (let i = LAYERS - 1; i >= 0; i--) gradient = this.#backward(layers[i], saved[i], gradient);
      program.kernel(TOKENS * WIDTH, [gradient, tokens], [embedding.gradient]);
      program.free(gradient);
      for (const { weight, gradient: g, state } of this.#parameters) {
        program.kernel(12 * (weight.bytes / HALF), [g, ...state], [...state, weight]);
      }
      program.sync();
      program.host('read', loss);
    }
    program.free(tokens, loss);
    for (const { weight, gradient, state } of this.#parameters) program.free(weight, gradient, ...state);
    return program.lines;
  }

  /** Half precision weight and gradient; Adam keeps a master copy and two moments in single precision. */
  #parameter(name: string, count: number): Parameter {
    const program = this.#program;
    const weight = program.alloc(name, count * HALF);
    const gradient = program.alloc(`${name}.gradient`, count * HALF);
    const state = ['master', 'moment1', 'moment2'].map((s) => program.alloc(`${name}.${s}`, count * SINGLE));
    const parameter = { weight, gradient, state };
    this.#parameters.push(parameter);
    return parameter;
  }

  #activation(name: string, bytes = this.#stream): Tensor {
    return this.#program.alloc(name, bytes);
  }

  /** Reads only the rows of the batch's words: few words are frequent (a word's rank falls off as 1/rank). */
  #embed(table: Tensor, tokens: Tensor): Tensor {
    const words = new Set<number>();
    for (let i = 0; i < TOKENS; i++) words.add(Math.floor(VOCABULARY ** this.#random()) - 1);
    const rowBytes = WIDTH * HALF;
    const rows = [...words]
      .sort((a, b) => a - b)
      .map((word) => ({ name: '', address: table.address + word * rowBytes, bytes: rowBytes }));
    const x = this.#activation('x');
    this.#program.kernel(0, [tokens, ...rows], [x]);
    return x;
  }

  #forward(layer: Layer, input: Tensor): Saved & { readonly output: Tensor } {
    const program = this.#program;
    const { small, qkv: wQkv, out, up, down } = layer;
    const norm1 = this.#activation('norm1');
    program.kernel(8 * TOKENS * WIDTH, [input, small.weight], [norm1]);
    const qkv = this.#activation('qkv', 3 * this.#stream);
    program.kernel(product(TOKENS, WIDTH, 3 * WIDTH), [norm1, wQkv.weight, small.weight], [qkv]);
    const scores = this.#activation('scores', this.#scores);
    program.kernel(product(TOKENS, WIDTH, SEQUENCE), [qkv], [scores]);
    const weights = this.#activation('weights', this.#scores);
    program.kernel(5 * (this.#scores / HALF), [scores], [weights]);
    program.free(scores);
    const context = this.#activation('context');
    program.kernel(product(TOKENS, SEQUENCE, WIDTH), [weights, qkv], [context]);
    const projected = this.#activation('projected');
    program.kernel(product(TOKENS, WIDTH, WIDTH), [context, out.weight, small.weight], [projected]);
    const middle = this.#activation('middle');
    program.kernel(TOKENS * WIDTH, [input, projected], [middle]);
    program.free(projected);
    const norm2 = this.#activation('norm2');
    program.kernel(8 * TOKENS * WIDTH, [middle, small.weight], [norm2]);
    const hidden = this.#activation('hidden', 4 * this.#stream);
    program.kernel(product(TOKENS, WIDTH, 4 * WIDTH), [norm2, up.weight, small.weight], [hidden]);
    const gelu = this.#activation('gelu', 4 * this.#stream);
    program.kernel(10 * TOKENS * 4 * WIDTH, [hidden], [gelu]);
    const folded = this.#activation('folded');
    program.kernel(product(TOKENS, 4 * WIDTH, WIDTH), [gelu, down.weight, small.weight], [folded]);
    const output = this.#activation('x');
    program.kernel(TOKENS * WIDTH, [middle, folded], [output]);
    program.free(folded);
    return { input, norm1, qkv, weights, context, middle, norm2, hidden, gelu, output };
  }

  /** Logits by the embedding again (tied), loss, and back to the last layer's output. */
  #head(embedding: Parameter, x: Tensor, tokens: Tensor, loss: Tensor): Tensor {
    const program = this.#program;
    const logits = this.#activation('logits', TOKENS * VOCABULARY * HALF);
    program.kernel(product(TOKENS, WIDTH, VOCABULARY), [x, embedding.weight], [logits]);
    program.kernel(5 * TOKENS * VOCABULARY, [logits, tokens], [logits, loss]);
    const gradient = this.#activation('gradient');
    program.kernel(product(TOKENS, VOCABULARY, WIDTH), [logits, embedding.weight], [gradient]);
    program.kernel(product(VOCABULARY, TOKENS, WIDTH), [logits, x], [embedding.gradient]);
    program.free(logits, x);
    return gradient;
  }

  #backward(layer: Layer, saved: Saved, gradient: Tensor): Tensor {
    const program = this.#program;
    const { small, qkv: wQkv, out, up, down } = layer;
    const { input, norm1, qkv, weights, context, middle, norm2, hidden, gelu } = saved;
    const dGelu = this.#activation('d_gelu', 4 * this.#stream);
    program.kernel(product(TOKENS, WIDTH, 4 * WIDTH), [gradient, down.weight], [dGelu]);
    program.kernel(product(4 * WIDTH, TOKENS, WIDTH), [gradient, gelu], [down.gradient, small.gradient]);
    program.free(gelu);
    const dHidden = this.#activation('d_hidden', 4 * this.#stream);
    program.kernel(15 * TOKENS * 4 * WIDTH, [dGelu, hidden], [dHidden]);
    program.free(dGelu, hidden);
    const dNorm2 = this.#activation('d_norm2');
    program.kernel(product(TOKENS, 4 * WIDTH, WIDTH), [dHidden, up.weight], [dNorm2]);
    program.kernel(product(WIDTH, TOKENS, 4 * WIDTH), [dHidden, norm2], [up.gradient, small.gradient]);
    program.free(dHidden, norm2);
    const dMiddle = this.#activation('d_middle');
    program.kernel(12 * TOKENS * WIDTH, [dNorm2, middle, gradient, small.weight], [dMiddle, small.gradient]);
    program.free(dNorm2, middle, gradient);
    const dContext = this.#activation('d_context');
    program.kernel(product(TOKENS, WIDTH, WIDTH), [dMiddle, out.weight], [dContext]);
    program.kernel(product(WIDTH, TOKENS, WIDTH), [dMiddle, context], [out.gradient, small.gradient]);
    program.free(context);
    const dQkv = this.#activation('d_qkv', 3 * this.#stream);
    const dWeights = this.#activation('d_weights', this.#scores);
    program.kernel(2 * product(TOKENS, SEQUENCE, WIDTH), [dContext, weights, qkv], [dWeights, dQkv]);
    program.free(dContext);
    const dScores = this.#activation('d_scores', this.#scores);
    program.kernel(5 * (this.#scores / HALF), [dWeights, weights], [dScores]);
    program.free(dWeights, weights);
    program.kernel(2 * product(TOKENS, SEQUENCE, WIDTH), [dScores, qkv], [dQkv]);
    program.free(dScores, qkv);
    const dNorm1 = this.#activation('d_norm1');
    program.kernel(product(TOKENS, 3 * WIDTH, WIDTH), [dQkv, wQkv.weight], [dNorm1]);
    program.kernel(product(WIDTH, TOKENS, 3 * WIDTH), [dQkv, norm1], [wQkv.gradient, small.gradient]);
    program.free(dQkv, norm1);
    const dInput = this.#activation('gradient');
    program.kernel(12 * TOKENS * WIDTH, [dNorm1, input, dMiddle, small.weight], [dInput, small.gradient]);
    program.free(dNorm1, dMiddle, input);
    return dInput;
  }
}

/** The whole trace as text. */
export function transformerTrace(): string {
  return [
    '# title: Two training steps of a small transformer',
    `# shows: tensors allocated and freed as training does, ${LAYERS} layers, width ${WIDTH}, ${TOKENS} tokens; optimizer state that is used once a step`,
    '# time: modelled kernel durations: the longer of arithmetic at 120 Tflop/s and bytes at 1.2 TB/s, plus 4 us',
    `# source: traces/generate.ts, seed ${SEED}`,
    'time_ns,actor,op,addr,size,arg',
    ...new Transformer().generate(),
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('./transformer.csv.gz', import.meta.url), gzipSync(transformerTrace(), { level: 9 }));
}
