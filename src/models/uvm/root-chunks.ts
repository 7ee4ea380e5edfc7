/**
 * Root chunks of 2 MiB and the lists they stand in (struct uvm_gpu_root_chunk_struct): a root chunk is in one list at
 * most, the one longest without a fault service first.
 */

import type { PageMask } from '../../replay/mask.ts';
import type { VaBlock } from './state.ts';

export interface Chunk {
  readonly root: RootChunk;
  /** First 4 KiB of the root chunk that belongs to this chunk, and how many. */
  readonly unit: number;
  readonly pages: number;
  readonly block: VaBlock;
  /** First page of the block behind which it lies. */
  readonly start: number;
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
