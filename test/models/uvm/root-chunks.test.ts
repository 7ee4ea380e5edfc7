/** Lists of root chunks, and the chunks behind a block. */
import { describe, expect, it } from 'vitest';
import { BlockChunks, type Chunk, type RootChunk, RootChunkList } from '../../../src/models/uvm/root-chunks.ts';

const root = (): RootChunk => ({
  device: 1,
  units: new Int32Array(16),
  usedUnits: 0,
  chunks: [],
  list: null,
  older: null,
  newer: null,
});

function takeAll(list: RootChunkList): RootChunk[] {
  const order: RootChunk[] = [];
  for (let next = list.oldest; next !== null; next = list.oldest) {
    order.push(next);
    list.remove(next);
  }
  return order;
}

describe('lists of root chunks', () => {
  it('give the one first that was appended first', () => {
    const [a, b, c] = [root(), root(), root()];
    const list = new RootChunkList();
    expect(list.oldest).toBeNull();
    for (const each of [a, b, c]) list.append(each);
    expect(takeAll(list)).toEqual([a, b, c]);
    expect(list.oldest).toBeNull();
  });

  it.each([0, 1, 2])('make number %i of three the newest when it is appended again', (i) => {
    const all = [root(), root(), root()];
    const list = new RootChunkList();
    for (const each of all) list.append(each);
    list.append(all[i]);
    const order = takeAll(list);
    expect(order.map((each) => all.indexOf(each))).toEqual([...[0, 1, 2].filter((k) => k !== i), i]);
  });

  it('hold a root chunk in one of them at most', () => {
    const [a, b] = [root(), root()];
    const used = new RootChunkList();
    const unused = new RootChunkList();
    used.append(a);
    used.append(b);
    unused.append(a);
    expect([a.list, b.list]).toEqual([unused, used]);
    expect([takeAll(used), takeAll(unused)]).toEqual([[b], [a]]);
    expect([a.list, a.older, a.newer]).toEqual([null, null, null]);
  });
});

describe('chunks behind a block', () => {
  const chunk = (start: number, pages: number): Chunk => ({
    root: root(),
    unit: start,
    pages,
    block: null as never,
    start,
  });

  it('are one for a full block', () => {
    const chunks = new BlockChunks();
    const whole = chunk(0, 512);
    expect([...chunks.all()]).toEqual([]);
    chunks.add(whole);
    expect(chunks.get(0)).toBe(whole);
    expect(chunks.get(16)).toBeUndefined();
    expect([...chunks.all()]).toEqual([whole]);
    chunks.remove(whole);
    expect(chunks.get(0)).toBeUndefined();
  });

  it('are found by their first page and come in the order of adding', () => {
    const chunks = new BlockChunks();
    const [late, early] = [chunk(32, 16), chunk(0, 16)];
    chunks.add(late);
    chunks.add(early);
    expect([chunks.get(0), chunks.get(32), chunks.get(16)]).toEqual([early, late, undefined]);
    expect([...chunks.all()]).toEqual([late, early]);
    for (const each of chunks.all()) chunks.remove(each);
    expect([...chunks.all()]).toEqual([]);
  });
});
