/**
 * Chunks of video memory: behind blocks, and in root chunks of 2 MiB with the lists they stand in (struct
 * uvm_gpu_root_chunk_struct). A root chunk is in one list at most, the one longest without a fault service first.
 */

import { BLOCK_PAGES, type PageMask } from '../../replay/mask.ts';
import type { VaBlock } from './state.ts';

export interface Chunk {
  root: RootChunk;
  /** First 4 KiB of the root chunk that belongs to this chunk, and how many. */
  unit: number;
  pages: number;
  block: VaBlock;
  /** First page of the block behind which it lies. */
  start: number;
}

const NO_CHUNKS: readonly Chunk[] = [];

/** Video memory of one GPU behind one block: chunks by their first page of the block. */
export class BlockChunks {
  /** The only chunk of a full block; the others of a block are in the map, which full blocks do without. */
  #whole: Chunk | null = null;
  #cut: Map<number, Chunk> | null = null;

  get(start: number): Chunk | undefined {
    if (this.#whole !== null && start === 0) return this.#whole;
    return this.#cut?.get(start);
  }

  add(chunk: Chunk): void {
    if (chunk.pages === BLOCK_PAGES) {
      this.#whole = chunk;
      return;
    }
    this.#cut ??= new Map();
    this.#cut.set(chunk.start, chunk);
  }

  remove(chunk: Chunk): void {
    if (chunk === this.#whole) this.#whole = null;
    else this.#cut?.delete(chunk.start);
  }

  /** In the order in which they were added. A chunk may be removed when its turn has come. */
  all(): Iterable<Chunk> {
    if (this.#whole !== null) return [this.#whole];
    return this.#cut === null ? NO_CHUNKS : this.#cut.values();
  }
}

export interface RootChunk {
  readonly device: number;
  /** 4 KiB units in use. */
  readonly units: PageMask;
  usedUnits: number;
  /** In the order in which they were taken. */
  readonly chunks: Chunk[];
  /** Where it stands, and its neighbours there. */
  list: RootChunkList | null;
  older: RootChunk | null;
  newer: RootChunk | null;
}

export class RootChunkList {
  #oldest: RootChunk | null = null;
  #newest: RootChunk | null = null;

  get oldest(): RootChunk | null {
    return this.#oldest;
  }

  /** Takes a root chunk over from the list where it stands, as the newest. */
  append(root: RootChunk): void {
    root.list?.remove(root);
    root.list = this;
    root.older = this.#newest;
    if (this.#newest === null) this.#oldest = root;
    else this.#newest.newer = root;
    this.#newest = root;
  }

  remove(root: RootChunk): void {
    if (root.older === null) this.#oldest = root.newer;
    else root.older.newer = root.newer;
    if (root.newer === null) this.#newest = root.older;
    else root.newer.older = root.older;
    root.list = root.older = root.newer = null;
  }
}
