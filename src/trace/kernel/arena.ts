/**
 * Shared memory of WebAssembly that loops of different kinds work on: those of reading and those of the hit path. Who
 * needs room takes it, and nobody gives it back. Views of it stay valid when it grows.
 */

export const WASM_PAGE_BYTES = 1 << 16;
/** Of the 4 GiB that 32-bit addresses reach. */
export const WASM_MAX_PAGES = 65_535;
/** What is taken begins with a cache line. */
export const ALIGN_BYTES = 64;

/** What is used of the platform's WebAssembly; the types of Node 20 do not know it. */
interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
  grow(pages: number): number;
}
interface Wasm {
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}
export const wasm = (globalThis as unknown as { WebAssembly: Wasm }).WebAssembly;

export class Arena {
  /** What modules import. */
  readonly memory: WasmMemory;
  #free: number;

  private constructor(memory: WasmMemory, free: number) {
    this.memory = memory;
    this.#free = free;
  }

  /** `fixedBytes` from 0 on are laid out by who makes it; null where there is no such memory. */
  static make(fixedBytes: number, mostPages = WASM_MAX_PAGES): Arena | null {
    const initial = Math.ceil(fixedBytes / WASM_PAGE_BYTES);
    try {
      return new Arena(new wasm.Memory({ initial, maximum: mostPages, shared: true }), aligned(fixedBytes));
    } catch {
      return null;
    }
  }

  /** Everything up to what was taken last, and maybe more. */
  get buffer(): SharedArrayBuffer {
    return this.memory.buffer;
  }

  /** Address of that many bytes, zero at first; -1 = there is no such address range to be had. */
  take(bytes: number): number {
    const at = this.#free;
    const end = aligned(at + bytes);
    const missing = Math.ceil((end - this.buffer.byteLength) / WASM_PAGE_BYTES);
    try {
      if (missing > 0) this.memory.grow(missing);
    } catch {
      return -1;
    }
    this.#free = end;
    return at;
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGN_BYTES) * ALIGN_BYTES;
}
