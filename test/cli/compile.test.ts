/** `trace compile`, the cache, and that neither can be told from the result. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { openSharedTrace, shareTrace } from '../../src/cli/shared-trace.ts';
import { closeCompiled, compileTraceFile } from '../../src/trace/index.ts';
import { finished, gmemEval, type Outcome, scratchFolder, start, TINY } from './harness.ts';

const folder = scratchFolder();
const at = (name: string): string => join(folder, name);

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(at(name), content);
  return at(name);
}

const cache = (name: string): Record<string, string> => ({ GMEM_EVAL_CACHE: at(name), GMEM_EVAL_CACHE_SIZE: '1GiB' });
const entriesOf = (name: string): string[] => readdirSync(at(name)).filter((each) => each.endsWith('.arrow'));

/** Long enough to be cached: two devices read in turn, each in 4 MiB of its own. */
const ROWS = Array.from({ length: 40_000 }, (_, i) => {
  const address = 0x40000000 + (i & 1) * 0x400000 + ((i * 7919) % 1024) * 4096;
  return `${i * 50},gpu${i & 1},${i % 5 === 0 ? 'write' : 'read'},0x${address.toString(16)},64,\n`;
});
const LONG = `# title: long\ntime_ns,actor,op,addr,size,arg\n0,cpu,alloc,0x40000000,67108864,weights\n${ROWS.join('')}`;
let long: string;
let compiled: string;

beforeAll(async () => {
  long = file('long.csv', LONG);
  compiled = at('long.arrow');
  expect(await gmemEval(['trace', 'compile', long, '-o', compiled])).toEqual({ status: 0, stdout: '', stderr: '' });
});

describe('the same bytes', () => {
  const run = (trace: string, env: Record<string, string> = {}, ...more: string[]): Promise<Outcome> =>
    gmemEval(['run', trace, '-m', 'gmem,uvm,kfd', '--format', 'json', ...more], env);

  it('of a run, from the text, through the cache, and from the compiled form', async () => {
    const text = await run(long);
    expect(text.status).toBe(0);
    expect(JSON.parse(text.stdout).manifest.trace).toMatchObject({ name: 'long.csv', metadata: { title: 'long' } });
    expect(await run(long, cache('runs'), '--no-cache')).toEqual(text);
    expect(existsSync(at('runs'))).toBe(false);
    expect(await run(long, cache('runs'))).toEqual(text);
    expect(entriesOf('runs').length).toBe(1);
    expect(await run(long, cache('runs'))).toEqual(text);
    expect(await run(long, cache('runs'), '--jobs', '3')).toEqual(text);
    expect(await run(compiled)).toEqual(text);
    expect(await run(compiled, {}, '--jobs', '3')).toEqual(text);
    expect(entriesOf('runs').length).toBe(1);
  });

  it('of events', async () => {
    const events = async (name: string, trace: string, env: Record<string, string>): Promise<string> => {
      const done = await run(trace, env, '--events', at(name), '--out', at('dropped.json'));
      expect(done).toMatchObject({ status: 0 });
      return readFileSync(at(name), 'utf8');
    };
    const text = await events('text.jsonl', long, {});
    expect(text.length).toBeGreaterThan(10_000);
    expect((await events('first.jsonl', long, cache('events'))) === text).toBe(true);
    expect((await events('second.jsonl', long, cache('events'))) === text).toBe(true);
    expect((await events('compiled.jsonl', compiled, {})) === text).toBe(true);
  });

  it('of what else reads a trace', async () => {
    for (const args of [
      ['trace', 'info', '--format', 'json'],
      ['trace', 'info'],
      ['explain', '--page', '0x40000000', '-m', 'uvm'],
    ]) {
      const text = await gmemEval([...args, long]);
      expect(text.status).toBe(0);
      expect(await gmemEval([...args, long], cache('others'))).toEqual(text);
      expect(await gmemEval([...args, long], cache('others'))).toEqual(text);
      expect(await gmemEval([...args, long, '--no-cache'], cache('others'))).toEqual(text);
      expect(await gmemEval([...args, compiled])).toEqual(text);
    }
    const check = `${compiled}: valid, 40,001 records\n`;
    expect(await gmemEval(['trace', 'check', compiled])).toEqual({ status: 0, stdout: check, stderr: '' });
  });

  it('of a compiled trace, wherever it was compiled from', async () => {
    const bytes = readFileSync(compiled);
    for (const env of [{}, cache('compiling'), cache('runs'), cache('runs')]) {
      expect(await gmemEval(['trace', 'compile', long, '-o', at('again.arrow')], env)).toMatchObject({ status: 0 });
      expect(readFileSync(at('again.arrow')).equals(bytes)).toBe(true);
    }
    // It is a file of the user's: no second copy is kept.
    expect(entriesOf('compiling')).toEqual([]);
  });

  it('from standard input', async () => {
    const tiny = file('tiny.csv', TINY);
    const out = at('tiny.arrow');
    await gmemEval(['trace', 'compile', tiny, '-o', out]);
    const child = start(['run', '-', '--format', 'json'], ['pipe', 'pipe', 'pipe']);
    child.stdin!.end(readFileSync(out));
    const { status, stdout, stderr } = await finished(child);
    expect({ status, stdout, stderr }).toEqual(await gmemEval(['run', tiny, '--format', 'json']));
  });
});

it('rows of a compiled trace are sent to no thread: each streams them from the file', async () => {
  const trace = await compileTraceFile(compiled);
  const shared = shareTrace(trace);
  expect(shared.rows).toMatchObject({ file: compiled, withThread: false });
  expect([...openSharedTrace(shared).chunks()].length).toBe([...trace.chunks()].length);
  closeCompiled(trace);
});

it('names a report in a folder after the trace', async () => {
  const tiny = file('named.csv', TINY);
  await gmemEval(['trace', 'compile', tiny, '-o', at('named.arrow')]);
  mkdirSync(at('reports'));
  await gmemEval(['run', at('named.arrow'), '--format', 'json', '--out', at('reports')]);
  expect(readdirSync(at('reports'))).toEqual(['named.json']);
});

it('says where a trace was read from when asked, in the table only', async () => {
  const info = async (args: string[]): Promise<string | undefined> =>
    /^read from +(.*)$/m.exec((await gmemEval(['trace', 'info', ...args], cache('origin'))).stdout)?.[1];
  expect(await info([long])).toBe(undefined);
  const [entry] = entriesOf('origin');
  expect(await info([long, '--verbose'])).toBe(`cache entry ${join(at('origin'), entry)}`);
  expect(await info([long, '--verbose', '--no-cache'])).toBe('text');
  expect(await info([compiled, '--verbose'])).toBe('compiled trace');
  expect(await info([long, '--verbose', '--format', 'json'])).toBe(undefined);
});

describe('damage', () => {
  function flipMiddle(path: string): void {
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1] ^= 1;
    writeFileSync(path, bytes);
  }

  it('of a cache entry, met by a replay thread: made again with a warning, the result is the same', async () => {
    const args = ['run', long, '-m', 'uvm,hmm', '--format', 'json', '--jobs', '2'];
    const right = await gmemEval(args, cache('damage'));
    const entry = join(at('damage'), entriesOf('damage')[0]);
    const bytes = readFileSync(entry);
    flipMiddle(entry);
    const mended = await gmemEval([...args, '--events', at('mended.jsonl')], cache('damage'));
    expect(mended.stderr).toMatch(
      /^warning: cache entry .*: record batch \d is damaged \(its checksum differs\): it is made again\n$/,
    );
    expect({ ...mended, stderr: '' }).toEqual(right);
    expect(readFileSync(entry).equals(bytes)).toBe(true);
    await gmemEval([...args, '--events', at('right.jsonl')], cache('damage'));
    expect(readFileSync(at('mended.jsonl')).equals(readFileSync(at('right.jsonl')))).toBe(true);
    flipMiddle(entry);
    expect(await gmemEval([...args, '--quiet'], cache('damage'))).toEqual(right);
  });

  it('of a compiled trace: an error', async () => {
    const broken = file('broken.arrow', readFileSync(compiled));
    flipMiddle(broken);
    for (const args of [
      ['run', broken],
      ['run', broken, '--jobs', '2'],
      ['trace', 'check', broken],
      ['trace', 'info', broken],
    ]) {
      const { status, stdout, stderr } = await gmemEval(args);
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(
        /broken\.arrow: record batch \d is damaged \(its checksum differs\); compile the trace again\n$/,
      );
    }
    truncateSync(broken, 5000);
    expect((await gmemEval(['run', broken])).stderr).toMatch(/broken\.arrow: the compiled trace is cut short .*\n$/);
  });
});

it('two processes may fill the cache at once', async () => {
  const args = ['trace', 'info', '--format', 'json', long];
  const outcomes = await Promise.all(
    [0, 1].map(() => finished(start(args, ['ignore', 'pipe', 'pipe'], cache('together')))),
  );
  const expected = await gmemEval(args);
  for (const { status, stdout, stderr } of outcomes) expect({ status, stdout, stderr }).toEqual(expected);
  expect(readdirSync(at('together')).filter((name) => !name.endsWith('.note'))).toEqual(entriesOf('together'));
  expect(entriesOf('together').length).toBe(1);
  expect(await gmemEval(args, cache('together'))).toEqual(expected);
});

describe('what cannot be', () => {
  const compile = (...args: string[]): Promise<Outcome> => gmemEval(['trace', 'compile', ...args]);

  it('a target that is the trace, is no file, or cannot be written', async () => {
    symlinkSync(long, at('link.csv'));
    const size = statSync(long).size;
    for (const target of [long, at('link.csv'), join(folder, '.', 'long.csv')]) {
      expect(await compile(long, '-o', target)).toMatchObject({
        status: 2,
        stderr: `error: --out ${target} is the trace itself\n  give the compiled trace a name of its own\n`,
      });
    }
    expect(statSync(long).size).toBe(size);
    expect((await compile(long, '-o', '-')).stderr).toMatch(/^error: --out -: not a file\n {2}name the file to write/);
    expect((await compile(long, '-o', '')).stderr).toMatch(/^error: --out '': not a file\n/);
    mkdirSync(at('a-folder'));
    for (const target of [at('none/x.arrow'), at('a-folder')]) {
      const { status, stderr } = await compile(long, '-o', target);
      expect(status).toBe(2);
      expect(stderr).toContain('cannot write');
    }
    const none = await compile(long);
    expect([none.status, none.stderr]).toEqual([2, expect.stringContaining("required option '-o, --out <file>'")]);
  });

  it('a trace that is compiled already, packed when compiled, or wrong: no file is left', async () => {
    const packed = file('packed.arrow.gz', gzipSync(readFileSync(compiled)));
    const wrong = file('wrong.csv', 'actor,op,addr,size\ngpu0,fetch,0,64\n');
    const cases: [string, string][] = [
      [compiled, `${compiled}: is compiled already; use it as it is\n`],
      [packed, `${packed}: is a compiled trace inside gzip, which cannot be read in place: unpack it first\n`],
      [wrong, `${wrong}:2: unknown op "fetch"`],
      [at('none.csv'), `${at('none.csv')}: no such file\n`],
    ];
    for (const [trace, message] of cases) {
      const { status, stderr } = await compile(trace, '-o', at('never.arrow'));
      expect(status).toBe(2);
      expect(stderr.startsWith(message)).toBe(true);
    }
    expect(readdirSync(folder).filter((name) => name.includes('never'))).toEqual([]);
  });

  it('a size of the cache that is none, and a folder that cannot be written', async () => {
    const much = await gmemEval(['run', long], { GMEM_EVAL_CACHE_SIZE: 'much' });
    expect([much.status, much.stderr]).toEqual([
      2,
      'error: GMEM_EVAL_CACHE_SIZE=much: not a size\n  give bytes or for example 4GiB; 0 = no cache\n',
    ]);
    const blocked = { GMEM_EVAL_CACHE: join(long, 'cache'), GMEM_EVAL_CACHE_SIZE: '1GiB' };
    const info = await gmemEval(['trace', 'check', long], blocked);
    expect([info.status, info.stdout]).toEqual([0, `${long}: valid, 40,001 records\n`]);
    expect(info.stderr).toMatch(
      /^warning: the cache folder .* cannot be written \(.*\); choose one with GMEM_EVAL_CACHE/,
    );
    expect((await gmemEval(['trace', 'check', long, '--quiet'], blocked)).stderr).toBe('');
  });
});
