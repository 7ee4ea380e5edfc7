/**
 * The memory of a pass that the hit path works on, and the kernel that does: WebAssembly, or TypeScript over an ordinary
 * buffer where there is none or where it cannot be large enough. The pass shares its arena with who unpacks or reads the
 * trace, so that columns are walked where they lie.
 */
import { Buffer } from 'node:buffer';
import type { TraceChunk } from '../../trace/compiled.ts';
import { ALIGN_BYTES, Arena, WASM_PAGE_BYTES, wasm } from '../../trace/kernel/arena.ts';
import type { FaultKernel, Kernel } from './kernel.ts';
import { BYTES_AT, CODE_AT, FREE_AT, PAGE_AT, ROOM_ROWS, START } from './layout.ts';
import { plainKernel } from './plain.ts';
import { WASM } from './wasm.ts';

export interface MemoryOptions {
  /** Which kernel to take; `auto` = WebAssembly where it can be had. */
  readonly kernel: 'auto' | 'plain';
  /** How far WebAssembly may go, in pages of 64 KiB. */
  readonly mostPages?: number;
}

/** What is laid out. */
const FREE_BYTES = 4 * FREE_AT;

let compiled: object | undefined;

export class PassMemory {
  /** Columns that lie here need not be brought in; null = the memory is an ordinary buffer. */
  arena: Arena | null = null;
  /** All that was given out, in words. Replaced when it grows: do not keep it over `take`. */
  words!: Int32Array;
  /** The same memory in bytes, half words and doubles. */
  bytes!: Uint8Array;
  halves!: Int16Array;
  doubles!: Float64Array;
  kernel!: Kernel;
  /** null = loops over faults are those in TypeScript. */
  faults: FaultKernel | null = null;
  /** Rows `firstRow` to `endRow` of a chunk are brought in: columns from these addresses on. */
  firstRow = 0;
  endRow = 0;
  codeAt = CODE_AT;
  pageAt = PAGE_AT;
  bytesAt = BYTES_AT;
  private loaded: TraceChunk | null = null;
  /** Do some of these rows touch other than `unit` bytes? Null: not looked at. */
  private mixed: boolean | null = null;
  /** Bytes given out of an ordinary buffer. */
  private used = FREE_BYTES;

  constructor({ kernel, mostPages }: MemoryOptions = { kernel: 'auto' }) {
    if (kernel === 'auto') this.arena = Arena.make(FREE_BYTES, mostPages);
    this.look(this.arena === null ? new ArrayBuffer(FREE_BYTES) : this.arena.buffer);
    if (this.arena === null) this.kernel = this.plain();
    else this.kernel = this.faults = wasmKernel(this.arena);
  }

  private plain(): Kernel {
    return plainKernel(this.words, this.bytes, this.halves);
  }

  private look(buffer: ArrayBufferLike): void {
    this.words = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.halves = new Int16Array(buffer);
    this.doubles = new Float64Array(buffer);
  }

  /** Room for `n` more words, zero at first; gives the place of the first. */
  take(n: number): number {
    const at = this.arena === null ? -1 : this.arena.take(4 * n);
    if (at < 0) return this.takeOrdinary(n);
    // Others take from the arena as well: that it has grown does not show in what this one asked for.
    if (at + 4 * n > this.bytes.length) this.look(this.arena!.buffer);
    return at / 4;
  }

  /** Buffer and offset of that many bytes, zero at first, that stay where they are; loops over faults see them. */
  roomFor(bytes: number): [buffer: ArrayBuffer, offset: number] {
    const at = this.arena === null ? -1 : this.arena.take(bytes);
    if (at >= 0) return [this.arena!.buffer as unknown as ArrayBuffer, at];
    if (this.arena !== null) this.takeOrdinary(0);
    return [new ArrayBuffer(bytes), 0];
  }

  /**
   * So many arrays of so many words, one after another, with what was in those that `arrays` has; they take their places.
   */
  growArrays(arrays: Int32Array[], count: number, words: number): void {
    const [buffer, offset] = this.roomFor(4 * words * count);
    for (let i = 0; i < count; i++) {
      const grown = new Int32Array(buffer, offset + 4 * words * i, words);
      if (i < arrays.length) grown.set(arrays[i]);
      arrays[i] = grown;
    }
  }

  private takeOrdinary(n: number): number {
    if (this.arena !== null) this.used = this.bytes.length;
    const first = this.used / 4;
    this.used += Math.ceil((4 * n) / ALIGN_BYTES) * ALIGN_BYTES;
    if (this.arena !== null || this.used > this.bytes.length) this.moveTo(this.used);
    return first;
  }

  /** On into an ordinary buffer. Nobody looks there at what belongs to reading. */
  private moveTo(bytes: number): void {
    const before = this.bytes;
    this.look(new ArrayBuffer(Math.ceil(bytes / WASM_PAGE_BYTES) * WASM_PAGE_BYTES));
    this.bytes.set(before.subarray(START), START);
    this.kernel = this.plain();
    this.faults = null;
    this.arena = null;
    this.loaded = null;
  }

  /**
   * Brings in the columns of `row` and of rows after it: all of the chunk, if they lie in the arena, else those that there
   * is room for. A chunk is known by its object: whoever uses buffers again gives out a new one.
   */
  load(chunk: TraceChunk, row: number): void {
    if (this.loaded === chunk && row >= this.firstRow && row < this.endRow) return;
    const { code, page, bytes, rows, arena } = chunk;
    this.loaded = chunk;
    this.mixed = null;
    if (arena !== undefined && arena === this.arena) {
      this.firstRow = 0;
      this.endRow = rows;
      this.codeAt = code.byteOffset;
      this.pageAt = page.byteOffset;
      this.bytesAt = bytes.byteOffset;
      return;
    }
    this.firstRow = row - (row % ROOM_ROWS);
    this.endRow = Math.min(this.firstRow + ROOM_ROWS, rows);
    this.codeAt = CODE_AT;
    this.pageAt = PAGE_AT;
    this.bytesAt = BYTES_AT;
    this.bytes.set(code.subarray(this.firstRow, this.endRow), CODE_AT);
    this.words.set(page.subarray(this.firstRow, this.endRow), PAGE_AT / 4);
    this.words.set(bytes.subarray(this.firstRow, this.endRow), BYTES_AT / 4);
  }

  /** Do some of the rows brought in touch other than `unit` bytes? The unit of rows that are in stays the same. */
  mixesBytes(unit: number): boolean {
    this.mixed ??= this.kernel.unlikeRows(unit, this.bytesAt, 0, this.endRow - this.firstRow) !== 0;
    return this.mixed;
  }
}

function wasmKernel({ memory }: Arena): Kernel & FaultKernel {
  compiled ??= new wasm.Module(Buffer.from(WASM, 'base64'));
  return new wasm.Instance(compiled, { env: { memory } }).exports as Kernel & FaultKernel;
}
