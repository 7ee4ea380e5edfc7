/**
 * The memory of a pass that the hit path works on, and the kernel that does: WebAssembly, or TypeScript over an ordinary
 * buffer where there is none or where it cannot be large enough.
 */
import { Buffer } from 'node:buffer';
import type { TraceChunk } from '../../trace/compiled.ts';
import type { Kernel } from './kernel.ts';
import { BYTES_AT, CODE_AT, FREE_AT, PAGE_AT, ROOM_ROWS } from './layout.ts';
import { plainKernel } from './plain.ts';
import { WASM } from './wasm.ts';

const WASM_PAGE_BYTES = 1 << 16;
/** Of the 4 GiB that 32-bit addresses reach. */
const WASM_MAX_PAGES = 65_535;

export interface MemoryOptions {
  /** Which kernel to take; `auto` = WebAssembly where it can be had. */
  readonly kernel: 'auto' | 'plain';
}

/** What is used of the platform's WebAssembly; the types of Node 20 do not know it. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
interface Wasm {
  readonly Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}
const wasm = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly;

let compiled: object | undefined;

export class PassMemory {
  /** All of it, in words. Replaced when it grows: do not keep it over `take`. */
  words: Int32Array;
  kernel: Kernel;
  /** The same memory in bytes and in half words. */
  bytes: Uint8Array;
  halves: Int16Array;
  private wasmMemory: WasmMemory | null = null;
  /** Words given out. */
  private used = FREE_AT;
  /** What the columns hold: rows from `loadedFrom` on of this chunk. */
  private loaded: TraceChunk | null = null;
  private loadedFrom = 0;
  /** Do some of these rows touch other than `unit` bytes? Then the columns have their bytes. Null: not looked at. */
  private mixed: boolean | null = null;
  /** As many rows that all touch `unit` bytes. */
  private readonly alike = new Uint32Array(ROOM_ROWS);

  constructor(options: MemoryOptions = { kernel: 'auto' }) {
    const pages = Math.ceil((4 * FREE_AT) / WASM_PAGE_BYTES);
    if (options.kernel === 'auto') this.wasmMemory = tryWasm(pages);
    const buffer = this.wasmMemory === null ? new ArrayBuffer(pages * WASM_PAGE_BYTES) : this.wasmMemory.buffer;
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.halves = new Int16Array(buffer);
    this.kernel = this.makeKernel();
  }

  private makeKernel(): Kernel {
    return this.wasmMemory === null ? plainKernel(this.words, this.bytes, this.halves) : wasmKernel(this.wasmMemory);
  }

  /** Room for `n` more words, zero at first, right after what was given out last; gives the place of the first. */
  take(n: number): number {
    const first = this.used;
    this.used += n;
    const missingBytes = 4 * this.used - this.words.byteLength;
    if (missingBytes > 0) this.grow(Math.ceil(missingBytes / WASM_PAGE_BYTES));
    return first;
  }

  private grow(pages: number): void {
    const bytes = this.words.byteLength + pages * WASM_PAGE_BYTES;
    if (this.wasmMemory !== null && bytes <= WASM_MAX_PAGES * WASM_PAGE_BYTES) {
      try {
        this.wasmMemory.grow(pages);
        this.look(this.wasmMemory.buffer);
        return;
      } catch {
        // No such address range to be had: go on without WebAssembly.
      }
    }
    const buffer = new ArrayBuffer(bytes);
    new Uint8Array(buffer).set(this.bytes);
    this.wasmMemory = null;
    this.look(buffer);
  }

  private look(buffer: ArrayBuffer): void {
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.halves = new Int16Array(buffer);
    // The WebAssembly kernel sees its memory grow; the plain one holds on to a buffer.
    if (this.wasmMemory === null) this.kernel = this.makeKernel();
  }

  /**
   * Brings the columns of `row` and of the rows around it in; gives the row of the chunk that is row 0 of the columns. A
   * chunk is known by its object: whoever uses buffers again gives out a new one.
   */
  load(chunk: TraceChunk, row: number): number {
    const from = row - (row % ROOM_ROWS);
    if (this.loaded === chunk && this.loadedFrom === from) return from;
    const end = Math.min(from + ROOM_ROWS, chunk.rows);
    this.bytes.set(chunk.code.subarray(from, end), CODE_AT);
    this.words.set(chunk.page.subarray(from, end), PAGE_AT / 4);
    this.loaded = chunk;
    this.loadedFrom = from;
    this.mixed = null;
    return from;
  }

  /**
   * Do some of the rows brought in touch other than `unit` bytes? Then their bytes are brought in too. In most traces no
   * row does, and to compare them all in one call costs less than to copy them. The unit of a row brought in stays the same.
   */
  mixesBytes(chunk: TraceChunk, unit: number): boolean {
    if (this.mixed !== null) return this.mixed;
    const { alike, loadedFrom } = this;
    if (alike[0] !== unit) alike.fill(unit);
    const rows = chunk.bytes.subarray(loadedFrom, Math.min(loadedFrom + ROOM_ROWS, chunk.rows));
    this.mixed = Buffer.compare(inBytes(rows), inBytes(alike.subarray(0, rows.length))) !== 0;
    if (this.mixed) this.words.set(rows, BYTES_AT / 4);
    return this.mixed;
  }
}

function inBytes({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function tryWasm(pages: number): WasmMemory | null {
  try {
    return new wasm.Memory({ initial: pages, maximum: WASM_MAX_PAGES });
  } catch {
    return null;
  }
}

function wasmKernel(memory: WasmMemory): Kernel {
  compiled ??= new wasm.Module(Buffer.from(WASM, 'base64'));
  return new wasm.Instance(compiled, { env: { memory } }).exports as Kernel;
}
