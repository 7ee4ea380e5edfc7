import { describe, expect, it } from 'vitest';
import { BufferList, reserveEvicting } from '../../src/replay/buffer-list.ts';
import type { Core } from '../../src/replay/model.ts';

function listOf(...buffers: string[]): BufferList<string> {
  const list = new BufferList<string>();
  for (const buffer of buffers) list.add(buffer);
  return list;
}

describe('a list of buffers', () => {
  it('gives the oldest first', () => {
    const list = listOf('a', 'b', 'c');
    expect(list.oldest).toBe('a');
    list.remove('a');
    expect([list.oldest, list.size, list.has('a')]).toEqual(['b', 2, false]);
    expect(listOf().oldest).toBeNull();
  });

  it('keeps the place of a buffer that is added again, and moves one that is touched', () => {
    const list = listOf('a', 'b', 'c');
    list.add('a');
    expect([...list]).toEqual(['a', 'b', 'c']);
    list.touch('a');
    expect([...list]).toEqual(['b', 'c', 'a']);
    list.touch('unknown');
    expect(list.size).toBe(3);
  });
});

describe('taking memory', () => {
  /** A device of 10 bytes with three buffers of 3. */
  function machine() {
    let taken = 9;
    const list = listOf('a', 'b', 'c');
    const core = {
      reserve(_device: number, bytes: number) {
        if (taken + bytes > 10) return false;
        taken += bytes;
        return true;
      },
    } as unknown as Core;
    const evictNext = () => {
      if (list.oldest === null) return false;
      list.remove(list.oldest);
      taken -= 3;
      return true;
    };
    return { core, evictNext, left: () => [...list].join('') };
  }

  it('evicts one after the other until it fits', () => {
    const { core, evictNext, left } = machine();
    // 1 free; 4 + 3 = 7 needs two victims: 1 + 3 + 3 = 7.
    expect([reserveEvicting(core, 1, 7, evictNext), left()]).toEqual([true, 'c']);
  });

  it('gives up when nothing is left to evict', () => {
    const { core, evictNext, left } = machine();
    expect([reserveEvicting(core, 1, 11, evictNext), left()]).toEqual([false, '']);
  });
});
