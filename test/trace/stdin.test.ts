/** Standard input is what the shell makes it: a pipe that comes in pieces, a file, nothing. */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { compileTraceText } from '../../src/trace/index.ts';
import { snapshot } from './snapshot.ts';

const folder = mkdtempSync(join(tmpdir(), 'stdin-'));
afterAll(() => rmSync(folder, { recursive: true }));

const tsx = new URL('../../node_modules/.bin/tsx', import.meta.url).pathname;
const script = join(folder, 'read.mts');
const importing = (name: string) => new URL(name, import.meta.url).href;
writeFileSync(
  script,
  `import { createHash } from 'node:crypto';
   import { compileTraceFile } from '${importing('../../src/trace/index.ts')}';
   import { snapshot } from '${importing('./snapshot.ts')}';
   console.log('ready');
   try {
     const trace = await compileTraceFile('-');
     const rows = createHash('sha256').update(JSON.stringify(snapshot(trace))).digest('hex');
     console.log(JSON.stringify({ sha256: trace.sha256, records: trace.records, rows }));
   } catch (error) { console.log(error.message); }`,
);

/** 40,000 rows of many lengths: 1.1 MiB, more than two buffers. */
const row = (i: number) =>
  `${i * 11},gpu${i % 3},${i % 5 ? 'read' : 'write'},0x${((i * 7919) % 2 ** 24).toString(16)},${1 + (i % 300)}\n`;
const text = `time_ns,actor,op,addr,size\n${Array.from({ length: 40_000 }, (_, i) => row(i)).join('')}`;

async function expected(): Promise<object> {
  const trace = await compileTraceText(text, '-');
  const rows = createHash('sha256')
    .update(JSON.stringify(snapshot(trace)))
    .digest('hex');
  return { sha256: createHash('sha256').update(text).digest('hex'), records: 40_000, rows };
}

/** What the script says when these pieces come one by one. */
async function piped(pieces: Iterable<Uint8Array>): Promise<string> {
  const child = spawn('sh', ['-c', `cat | '${tsx}' '${script}'`], { stdio: ['pipe', 'pipe', 'inherit'] });
  let answer = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    answer += more;
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  // Else everything has come before it looks.
  while (answer === '') await pause(5);
  for (const piece of pieces) {
    await new Promise((resolve) => child.stdin.write(piece, resolve));
    if (piece.length < 10_000) await pause(10);
  }
  child.stdin.end();
  await closed;
  return said(answer);
}

/** After that it was ready. */
function said(answer: string): string {
  expect(answer).toMatch(/^ready\n/);
  return answer.slice('ready\n'.length);
}

function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const end = at + sizes[Math.min(i, sizes.length - 1)];
    yield bytes.subarray(at, end);
    at = end;
  }
}

describe('standard input', () => {
  it('is read alike from a pipe in pieces of any size', async () => {
    // One byte: not even the two that tell gzip. 3000: less than the head that tells the format. The last size stays.
    for (const sizes of [[1, 3000, 70_001], [200_000], [5000, 1, 65_536]]) {
      expect(JSON.parse(await piped(cut(Buffer.from(text), sizes)))).toEqual(await expected());
    }
  });

  it('may be packed', async () => {
    expect(JSON.parse(await piped(cut(gzipSync(text), [1, 3000, 70_001])))).toEqual(await expected());
  });

  it('may be a file, and begins where its reader before has left it', async () => {
    const path = join(folder, 'text.csv');
    writeFileSync(path, `gone\n${text}`);
    const run = promisify(execFile);
    const { stdout } = await run('sh', ['-c', `{ read -r line; '${tsx}' '${script}'; } < '${path}'`]);
    expect(JSON.parse(said(stdout))).toEqual(await expected());
  });

  it('may be empty', async () => {
    const child = promisify(execFile)('sh', ['-c', `'${tsx}' '${script}' < /dev/null`]);
    expect(said((await child).stdout)).toMatch(/^<stdin>:1: the file has no header row/);
    expect(await piped([])).toMatch(/^<stdin>:1: the file has no header row/);
  });

  it('may be a directory', async () => {
    const descriptor = openSync(folder, 'r');
    const child = spawn(tsx, [script], { stdio: [descriptor, 'pipe', 'inherit'] });
    let answer = '';
    child.stdout!.setEncoding('utf8').on('data', (more: string) => {
      answer += more;
    });
    await new Promise((resolve) => child.once('close', resolve));
    closeSync(descriptor);
    expect(said(answer)).toMatch(/^<stdin>: .*directory/);
  });
});

it('a pipe keeps what comes before anybody asks', async () => {
  // In a process of its own: a thread of the tests would close the descriptor once more at its end.
  const late = join(folder, 'late.mts');
  writeFileSync(
    late,
    `import { setTimeout as pause } from 'node:timers/promises';
     import { PipeReader } from '${importing('../../src/trace/readers.ts')}';
     const reader = new PipeReader(0);
     await pause(200);
     const buffer = Buffer.alloc(8);
     const bytes = [await reader.read(buffer, true), await reader.read(buffer, true), await reader.read(buffer, true)];
     await reader.close();
     console.log(bytes.join(' '), buffer.toString('latin1', 0, 3));`,
  );
  const { stdout } = await promisify(execFile)('sh', ['-c', `printf abc | '${tsx}' '${late}'`]);
  expect(stdout).toBe('3 0 0 abc\n');
});
