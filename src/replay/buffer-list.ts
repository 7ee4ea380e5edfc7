/**
 * The buffer objects that one device may evict, in eviction order: oldest first. A buffer that is never touched again
 * keeps the place of its creation (FIFO); `touch` makes the list least recently used.
 */

import type { Core } from './model.ts';

export class BufferList<T> implements Iterable<T> {
  readonly #buffers = new Set<T>();

  get size(): number {
    return this.#buffers.size;
  }

  /** The next victim, or null. */
  get oldest(): T | null {
    const first = this.#buffers.values().next();
    return first.done ? null : first.value;
  }

  has(buffer: T): boolean {
    return this.#buffers.has(buffer);
  }

  /** As the newest. */
  add(buffer: T): void {
    this.#buffers.add(buffer);
  }

  /** Makes a buffer the newest. */
  touch(buffer: T): void {
    if (this.#buffers.delete(buffer)) this.#buffers.add(buffer);
  }

  remove(buffer: T): void {
    this.#buffers.delete(buffer);
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#buffers[Symbol.iterator]();
  }
}

/** Takes device memory, evicting one victim after another until it fits. `evictNext` returns false when none is left. */
export function reserveEvicting(core: Core, device: number, bytes: number, evictNext: () => boolean): boolean {
  while (!core.reserve(device, bytes)) {
    if (!evictNext()) return false;
  }
  return true;
}
