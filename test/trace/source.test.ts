import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { compileTraceFile, compileTraceText, traceInfo } from '../../src/trace/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'trace-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const TEXT = '# title: two rows\n# note: a long\n# note: story\nactor,op,addr,size\ncpu,w,0,4\ngpu0,r,0,4\n';
const SHA = createHash('sha256').update(TEXT).digest('hex');

it('reads plain and gzip files, whatever they are called, and hashes the uncompressed text', async () => {
  for (const path of [file('plain.csv', TEXT), file('packed.csv', gzipSync(TEXT)), file('odd.gz', TEXT)]) {
    const trace = await compileTraceFile(path);
    expect(trace.sha256).toBe(SHA);
    expect(trace.records).toBe(2);
    expect(trace.metadata).toEqual({ title: 'two rows', note: 'a long story' });
  }
  expect((await compileTraceFile(join(folder, 'plain.csv'))).name).toBe('plain.csv');
});

it('gives the same trace however many reads it takes', async () => {
  const rows = Array.from({ length: 60_000 }, (_, i) => `${i},gpu0,read,0x${(i * 64).toString(16)},64\n`).join('');
  const path = file('long.csv.gz', gzipSync(`time_ns,actor,op,addr,size\n${rows}`));
  const seen: number[] = [];
  const trace = await compileTraceFile(path, { onProgress: ({ bytes, totalBytes }) => seen.push(bytes / totalBytes!) });
  // 60,000 x 64 bytes = 937.5 pages of 4 KiB.
  expect(traceInfo(trace)).toMatchObject({ records: 60_000, footprintBytes: 938 * 4096, deviceLineBytes: 60_000 * 64 });
  expect([...trace.chunks()].reduce((sum, chunk) => sum + chunk.rows, 0)).toBe(60_000);
  expect(seen.at(-1)).toBe(1);
});

describe('a large gzip file, which a thread unpacks', () => {
  // Scattered addresses pack badly: 150,000 rows are well above the 512 KiB from which on a thread pays.
  let state = 1;
  const rows = Array.from({ length: 150_000 }, (_, i) => {
    state = Math.imul(state, 1664525) + 1013904223;
    return `${i},gpu0,read,0x${(state >>> 0).toString(16)},4\n`;
  });
  const text = `time_ns,actor,op,addr,size\n${rows.join('')}`;
  const packed = gzipSync(text, { level: 1 });

  it('is read like the text in it', async () => {
    expect(packed.length).toBeGreaterThan(2 ** 20);
    const { chunks: ofPacked, ...fromPacked } = await compileTraceFile(file('large.csv.gz', packed));
    const { chunks: ofText, ...fromText } = await compileTraceText(text, 'large.csv.gz');
    expect(fromPacked).toEqual(fromText);
    expect([...ofPacked()]).toEqual([...ofText()]);
    expect(fromPacked.sha256).toBe(createHash('sha256').update(text).digest('hex'));
    expect(fromPacked.records).toBe(150_000);
  });

  it('may be cut, damaged or wrong', async () => {
    const cut = file('large-cut.csv.gz', packed.subarray(0, packed.length - 100_000));
    await expect(compileTraceFile(cut)).rejects.toThrow(`${cut}: the gzip data ends too early: the file is truncated`);
    // The last eight bytes are checksum and length.
    const damaged = Buffer.from(packed);
    damaged[damaged.length - 8] ^= 1;
    const path = file('large-damaged.csv.gz', damaged);
    await expect(compileTraceFile(path)).rejects.toThrow(`${path}: the gzip data is damaged (incorrect data check)`);
    const wrong = file('large-wrong.csv.gz', gzipSync(`${text}0,gpu0,fetch,0,4\n${rows.join('')}`, { level: 1 }));
    // Header, 150,000 rows, this one.
    await expect(compileTraceFile(wrong)).rejects.toThrow(`${wrong}:150002: unknown op "fetch"`);
    const binary = file(
      'large-binary.csv.gz',
      gzipSync(Buffer.concat([Buffer.alloc(1), Buffer.from(text)]), { level: 1 }),
    );
    await expect(compileTraceFile(binary)).rejects.toThrow(`${binary}: is binary data, not a text trace`);
  });
});

it('says the line of an error in a later read', async () => {
  const rows = '0,cpu,read,0,64\n'.repeat(50_000);
  await expect(compileTraceText(`time_ns,actor,op,addr,size\n${rows}0,cpu,fetch,0,64\n`)).rejects.toThrow(
    'trace.csv:50002: unknown op "fetch"',
  );
  await expect(compileTraceText(`time_ns,actor,op,addr,size\n${rows}0,cpu,"read,0,64\n`)).rejects.toThrow(
    'trace.csv:50002: a quoted value is not closed',
  );
});

it('says what is wrong with a file as a whole', async () => {
  const cut = gzipSync(TEXT.repeat(100)).subarray(0, 60);
  const damaged = Buffer.from(gzipSync(TEXT));
  damaged[20] ^= 0xff;
  const cases: [path: string, message: string | RegExp][] = [
    [folder, `${folder}: is a directory; give the trace file inside it`],
    [join(folder, 'none.csv'), `${join(folder, 'none.csv')}: no such file`],
    [file('cut.csv.gz', cut), `${join(folder, 'cut.csv.gz')}: the gzip data ends too early: the file is truncated`],
    [file('damaged.csv.gz', damaged), /damaged\.csv\.gz: the gzip data is damaged \(.+\); fetch the file again$/],
    [file('twice.gz', gzipSync(gzipSync(TEXT))), /: is gzip inside gzip: unpack it once$/],
    [file('a.zst', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0])), /: is zstd-compressed: use `zstd -dc FILE \| gmem-eval /],
    [file('wide.csv', Buffer.from(`\ufeff${TEXT}`, 'utf16le')), /: is UTF-16 text: convert it with /],
    [file('empty.csv', ''), /empty\.csv:1: the file has no header row: /],
    [file('empty.csv.gz', gzipSync('')), /empty\.csv\.gz:1: the file has no header row: /],
  ];
  for (const [path, message] of cases) await expect(compileTraceFile(path)).rejects.toThrow(message);
  await expect(compileTraceFile(file('ok.csv', TEXT), { format: 'tea' })).rejects.toThrow(
    'ok.csv: unknown trace format "tea": use csv',
  );
});

it('reads standard input', async () => {
  const program = `
    import { compileTraceFile } from '${new URL('../../src/trace/index.ts', import.meta.url).href}';
    compileTraceFile('-').then((t) => console.log(t.name, t.records, t.sha256), (e) => console.log(e.message));`;
  const script = file('stdin.mts', program);
  const tsx = new URL('../../node_modules/.bin/tsx', import.meta.url).pathname;
  const run = (input: string) => promisify(execFile)('sh', ['-c', `${input} | '${tsx}' '${script}'`]);
  const packed = file('in.csv.gz', gzipSync(TEXT));
  expect((await run(`cat '${packed}'`)).stdout).toBe(`- 2 ${SHA}\n`);
  expect((await run('echo x')).stdout).toMatch(/^<stdin>:1: unknown column "x"; /);
});

it('gives others a turn while it reads a long file', async () => {
  // 20 MiB of comments are 40 reads, and hardly any work.
  const comments = `# ${'x'.repeat(1021)}\n`.repeat(20 * 1024);
  const path = file('turns.csv', `${comments}actor,op,addr,size\ncpu,w,0,4\n`);
  let turns = 0;
  let next: NodeJS.Immediate | undefined;
  const ask = () => {
    next = setImmediate(() => {
      turns++;
      ask();
    });
  };
  await compileTraceFile(path, {
    onProgress: () => {
      if (next === undefined) ask();
    },
  });
  clearImmediate(next);
  // One each sixteen reads.
  expect(turns).toBeGreaterThanOrEqual(2);
});

it('reads a pipe that has a name', async () => {
  const path = join(folder, 'named');
  const source = file('of-pipe.csv', TEXT);
  await promisify(execFile)('mkfifo', [path]);
  const [trace] = await Promise.all([
    compileTraceFile(path),
    promisify(execFile)('sh', ['-c', 'cat "$1" > "$2"', 'sh', source, path]),
  ]);
  expect([trace.sha256, trace.records]).toEqual([SHA, 2]);
});
