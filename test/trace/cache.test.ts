/** The cache of compiled traces. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CACHED_FROM_BYTES, contentHash, fileState } from '../../src/trace/cache/identity.ts';
import { cacheSettings, type Origin, withTraceFile } from '../../src/trace/cache/index.ts';
import type { CompiledTrace } from '../../src/trace/compiled.ts';
import { compileTraceFile, traceInfo } from '../../src/trace/index.ts';
import { snapshot } from './snapshot.ts';

const folder = mkdtempSync(join(tmpdir(), 'gmem-eval-cache-'));
afterAll(() => rmSync(folder, { recursive: true }));
const cacheFolder = join(folder, 'cache');
const BIG = 2 ** 30;

/** 50,000 reads, each in a page of its own among 1,000: `first` makes the content another. */
function text(first: number): string {
  const rows = Array.from({ length: 50_000 }, (_, i) => `${i},gpu0,read,0x${((i % 1000) * 4096).toString(16)},64\n`);
  return `time_ns,actor,op,addr,size\n0,cpu,write,${first * 4096},64\n${rows.join('')}`;
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

let path: string;
let plain: unknown;
const warnings: string[] = [];

beforeAll(async () => {
  path = file('trace.csv', text(0));
  expect(statSync(path).size).toBeGreaterThan(CACHED_FROM_BYTES);
  plain = told(await compileTraceFile(path));
});
beforeEach(() => {
  rmSync(cacheFolder, { recursive: true, force: true });
  warnings.length = 0;
});

function told(trace: CompiledTrace) {
  return { info: traceInfo(trace), all: snapshot(trace) };
}

function options(more: { limitBytes?: number; format?: string; keep?: boolean; folder?: string } = {}) {
  const { limitBytes = BIG, folder = cacheFolder, ...rest } = more;
  return { ...rest, cache: { folder, limitBytes }, onWarning: (text: string) => warnings.push(text) };
}

/** Where it was read from, after checking that all of it came. */
async function read(from = path, more: Parameters<typeof options>[0] = {}, expected = plain): Promise<Origin> {
  return withTraceFile(from, options(more), async (trace, origin) => {
    if (expected !== null) expect(told(trace)).toEqual(expected);
    return origin;
  });
}

const entries = (): string[] => readdirSync(cacheFolder).filter((name) => name.endsWith('.arrow'));
const onlyEntry = (): string => {
  expect(entries().length).toBe(1);
  return join(cacheFolder, entries()[0]);
};

describe('what is found again', () => {
  it('the same trace, a second time', async () => {
    expect([await read(), await read(), await read()]).toEqual(['text', 'cache', 'cache']);
    expect(entries().length).toBe(1);
    expect(warnings).toEqual([]);
  });

  it('the same content under another name, which it then has', async () => {
    await read();
    const other = file('other.csv', text(0));
    expect(await read(other, {}, null)).toBe('cache');
    const name = await withTraceFile(other, options(), async (trace) => trace.name);
    expect(name).toBe('other.csv');
  });

  it('not what has changed in between, though its name, size and time have not', async () => {
    const changing = file('changing.csv', text(1));
    const { atime, mtime } = statSync(changing);
    await read(changing, {}, null);
    writeFileSync(changing, text(2));
    utimesSync(changing, atime, mtime);
    expect(await read(changing, {}, null)).toBe('text');
    expect(entries().length).toBe(2);
  });

  it('a packed trace by its packed bytes', async () => {
    const packed = file('trace.csv.gz', gzipSync(text(0) + '#'.repeat(8), { level: 0 }));
    expect([await read(packed, {}, null), await read(packed, {}, null)]).toEqual(['text', 'cache']);
  });

  it('not what was read as another format', async () => {
    await read();
    expect(await read(path, { format: 'csv' })).toBe('text');
    expect(await read(path, { format: 'csv' })).toBe('cache');
  });

  it('nothing of a small trace, of a compiled one, or where none is to be kept', async () => {
    const small = file('small.csv', 'actor,op,addr,size\ngpu0,read,0,64\n');
    expect([await read(small, {}, null), await read(small, {}, null)]).toEqual(['text', 'text']);
    expect(await read(path, { keep: false })).toBe('text');
    expect(existsSync(cacheFolder) ? entries() : []).toEqual([]);
    await read();
    const compiled = onlyEntry();
    rmSync(join(folder, 'moved'), { recursive: true, force: true });
    expect(await read(compiled, { folder: join(folder, 'moved') })).toBe('compiled');
    expect(existsSync(join(folder, 'moved'))).toBe(false);
  });
});

describe('damage', () => {
  /** Reads with an entry damaged by `damage`; gives how often the trace was used. */
  async function uses(damage: (entry: string) => void): Promise<number> {
    await read();
    damage(onlyEntry());
    let used = 0;
    const result = await withTraceFile(path, options(), async (trace) => {
      used++;
      return told(trace);
    });
    expect(result).toEqual(plain);
    return used;
  }

  const flip = (entry: string, at: number): void => {
    const descriptor = openSync(entry, 'r+');
    writeSync(descriptor, Uint8Array.of(0x55), 0, 1, at);
    closeSync(descriptor);
  };

  it('of a row is found on the way, the entry is made again, and everything begins again', async () => {
    expect(await uses((entry) => flip(entry, Math.floor(statSync(entry).size / 2)))).toBe(2);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^cache entry .*\.arrow: record batch \d is damaged \(its checksum differs\): it is made again$/,
      ),
    ]);
    expect(await read()).toBe('cache');
  });

  it('of the rest is found before', async () => {
    expect(await uses((entry) => flip(entry, statSync(entry).size - 40))).toBe(1);
    expect(warnings).toEqual([expect.stringMatching(/^cache entry .*: the footer is damaged .*: it is made again$/)]);
    expect(await read()).toBe('cache');
  });

  it('by cutting is found before', async () => {
    expect(await uses((entry) => truncateSync(entry, 100_000))).toBe(1);
    expect(warnings).toEqual([expect.stringMatching(/^cache entry .*cut short .*: it is made again$/)]);
    expect(await read()).toBe('cache');
  });

  it('that comes back every time does not keep us', async () => {
    let used = 0;
    const result = withTraceFile(path, options(), async (trace, _origin, entry) => {
      used++;
      if (entry !== null) flip(entry, Math.floor(statSync(entry).size / 2));
      return told(trace);
    });
    expect(await result).toEqual(plain);
    // Twice with an entry, then without.
    expect(used).toBe(3);
    expect(warnings.length).toBe(2);
  });

  it('of somebody else is somebody else’s: errors of the use come through', async () => {
    const failing = withTraceFile(path, options(), () => Promise.reject(new Error('no')));
    await expect(failing).rejects.toThrow('no');
    expect(readdirSync(cacheFolder).filter((name) => name.endsWith('.use'))).toEqual([]);
  });
});

describe('size', () => {
  it('what was used longest ago goes first, and what is in use stays', async () => {
    const paths = [0, 1, 2].map((n) => file(`lru${n}.csv`, text(n)));
    await read(paths[0], {}, null);
    const limitBytes = Math.floor(statSync(onlyEntry()).size * 2.5);
    await read(paths[1], { limitBytes }, null);
    const aged = (minutes: number, entry: string): void => {
      const time = new Date(Date.now() - minutes * 60_000);
      utimesSync(join(cacheFolder, entry), time, time);
    };
    const [a, b] = entries();
    // Both are old; then the first trace is used again.
    aged(20, a);
    aged(20, b);
    expect(await read(paths[0], { limitBytes }, null)).toBe('cache');
    await read(paths[2], { limitBytes }, null);
    expect(entries().length).toBe(2);
    expect(await read(paths[0], { limitBytes, keep: false }, null)).toBe('cache');
    expect(await read(paths[1], { limitBytes, keep: false }, null)).toBe('text');
    expect(await read(paths[2], { limitBytes, keep: false }, null)).toBe('cache');

    // The first trace is open, and the oldest, while room is made for the second.
    await withTraceFile(paths[0], options({ limitBytes }), async (_trace, origin, entry) => {
      expect(origin).toBe('cache');
      aged(60, entry!.slice(cacheFolder.length + 1));
      await read(paths[1], { limitBytes }, null);
      expect(existsSync(entry!)).toBe(true);
      expect(entries().length).toBe(2);
    });
    expect(await read(paths[2], { limitBytes, keep: false }, null)).toBe('text');
  });

  it('a trace larger than all of it is read without, silently', async () => {
    expect([await read(path, { limitBytes: 10_000 }), await read(path, { limitBytes: 10_000 })]).toEqual([
      'text',
      'text',
    ]);
    expect(entries()).toEqual([]);
    expect(readdirSync(cacheFolder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it('what a process left when it was killed goes, and what is not ours stays', async () => {
    mkdirSync(cacheFolder);
    const key = 'a'.repeat(64);
    const old = new Date(Date.now() - 2 * 3_600_000);
    for (const name of [`${key}.arrow.1.0.tmp`, `${key}.arrow.1.1.tmp`, 'letter.tmp', 'mine.arrow']) {
      writeFileSync(join(cacheFolder, name), 'x');
      if (!name.endsWith('.1.tmp')) utimesSync(join(cacheFolder, name), old, old);
    }
    // No process has so high a number.
    writeFileSync(join(cacheFolder, `${key}.4194999.0.use`), '');
    await read();
    const left = readdirSync(cacheFolder).filter((name) => !/^[0-9a-f]{64}\.(arrow|note)$/.test(name));
    expect(left.sort()).toEqual([`${key}.arrow.1.1.tmp`, 'letter.tmp', 'mine.arrow']);
  });
});

it('a folder that cannot be written is a warning, once a run', async () => {
  const blocked = join(file('a-file', ''), 'cache');
  expect(await read(path, { folder: blocked })).toBe('text');
  expect(warnings).toEqual([
    expect.stringMatching(
      /^the cache folder .*a-file\/cache cannot be written \(.*\); choose one with GMEM_EVAL_CACHE, or give --no-cache$/,
    ),
  ]);
});

it('what changed while it was read is not kept under the hash of before', async () => {
  const target = file('moving.csv', text(3));
  const onProgress = (): void => utimesSync(target, new Date(0), new Date(0));
  const origin = await withTraceFile(target, { ...options(), onProgress }, async (_trace, origin, entry) => {
    expect(entry).toBe(null);
    return origin;
  });
  expect(origin).toBe('text');
  expect(existsSync(cacheFolder) ? entries() : []).toEqual([]);
});

it('an error in the trace is the same error', async () => {
  const wrong = file('wrong.csv', `${text(0)}9,gpu0,fetch,0,64\n`);
  await expect(read(wrong, {}, null)).rejects.toThrow('wrong.csv:50003: unknown op "fetch"');
  expect(existsSync(cacheFolder) ? entries() : []).toEqual([]);
});

it('a file that has not changed is not hashed again; one that changed just now is', async () => {
  mkdirSync(cacheFolder);
  const target = file('hashed.csv', 'one');
  const hash = (content: string): string => createHash('sha256').update(content).digest('hex');
  const fresh = fileState(target);
  const settled = { ...fresh, ctimeNs: String(BigInt(fresh.ctimeNs) - 3_000_000_000n) };
  expect(await contentHash(target, fresh, cacheFolder)).toBe(hash('one'));
  writeFileSync(target, 'two');
  // Of what changed less than two seconds ago nothing is noted, so the state that looks the same is not believed.
  expect(await contentHash(target, fresh, cacheFolder)).toBe(hash('two'));
  expect(await contentHash(target, settled, cacheFolder)).toBe(hash('two'));
  writeFileSync(target, 'six');
  expect(await contentHash(target, settled, cacheFolder)).toBe(hash('two'));
  for (const key of Object.keys(settled)) {
    expect(await contentHash(target, { ...settled, [key]: '1' }, cacheFolder)).toBe(hash('six'));
    // Noted again under that state.
    await contentHash(target, { ...settled, size: '77' }, cacheFolder);
  }
});

describe('settings', () => {
  const folderOf = (env: Record<string, string>, platform: NodeJS.Platform) =>
    cacheSettings(env, platform, '/home/me')?.folder;

  it('the folder is where the system keeps such things', () => {
    expect(folderOf({}, 'linux')).toBe('/home/me/.cache/gmem-eval');
    expect(folderOf({}, 'darwin')).toBe('/home/me/Library/Caches/gmem-eval');
    expect(folderOf({}, 'win32')).toBe('/home/me/AppData/Local/gmem-eval/Cache');
    expect(folderOf({ LOCALAPPDATA: '/local' }, 'win32')).toBe('/local/gmem-eval/Cache');
    expect(folderOf({ XDG_CACHE_HOME: '/xdg' }, 'linux')).toBe('/xdg/gmem-eval');
    expect(folderOf({ XDG_CACHE_HOME: 'xdg' }, 'linux')).toBe('/home/me/.cache/gmem-eval');
    expect(folderOf({ GMEM_EVAL_CACHE: '/mine', XDG_CACHE_HOME: '/xdg' }, 'linux')).toBe('/mine');
  });

  it('the size is 4 GiB unless it is given, and 0 is none', () => {
    expect(cacheSettings({})?.limitBytes).toBe(4 * 2 ** 30);
    expect(cacheSettings({ GMEM_EVAL_CACHE_SIZE: '1.5MiB' })?.limitBytes).toBe(1_572_864);
    expect(cacheSettings({ GMEM_EVAL_CACHE_SIZE: '0' })).toBe(null);
    expect(() => cacheSettings({ GMEM_EVAL_CACHE_SIZE: 'much' })).toThrow('GMEM_EVAL_CACHE_SIZE=much: not a size');
  });
});
