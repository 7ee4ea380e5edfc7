/** The program as it is built: modules joined into few files, beside which everything is found that is loaded by name. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { joinModules } from '../scripts/build/join.ts';
import { CACHED_FROM_BYTES } from '../src/trace/cache/identity.ts';
import { gmemEval, ROOT, scratchFolder, TOY } from './cli/harness.ts';

// Packages are found from there.
const folder = mkdtempSync(join(ROOT, 'node_modules/.built-'));
const dist = join(folder, 'dist');
const program = join(folder, 'bin.mjs');
const TRACE = join(ROOT, 'traces/ping-pong.csv');

beforeAll(async () => {
  await joinModules(dist);
  copyFileSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  const text = readFileSync(join(ROOT, 'bin/gmem-eval.js'), 'utf8');
  expect(text).toContain("'../dist/");
  writeFileSync(program, text.replace("'../dist/", "'./dist/"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function built(...args: string[]): string {
  const env = { ...process.env, GMEM_EVAL_CACHE_SIZE: '0' };
  return execFileSync(process.execPath, [program, ...args], { encoding: 'utf8', env });
}

/** Folders, and modules by path, that some module of `src` asks `src/code.ts` for. */
const asked = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && file !== 'code.ts')
  .flatMap((file) => [...readFileSync(join(ROOT, 'src', file), 'utf8').matchAll(/'(\.\/[a-z/-]+(?:\/|\.ts))'/g)])
  .map(([, path]) => path);

test('every module of a registry is there', () => {
  const folders = asked.filter((path) => path.endsWith('/') && path !== './trace/');
  const modules = folders.flatMap((path) =>
    readdirSync(join(ROOT, 'src', path), { withFileTypes: true }).flatMap((entry) => {
      if (entry.isFile()) return entry.name.endsWith('.ts') ? [join(path, entry.name)] : [];
      return existsSync(join(ROOT, 'src', path, entry.name, 'index.ts')) ? [join(path, entry.name, 'index.ts')] : [];
    }),
  );
  expect(folders.length).toBeGreaterThanOrEqual(6);
  expect(modules.length).toBeGreaterThan(25);
  expect(modules.filter((file) => !existsSync(join(dist, file.replace(/\.ts$/, '.js'))))).toEqual([]);
});

test.each([
  ['--version'],
  ['models'],
  ['platforms'],
  ['run', TRACE, '--format', 'json', '--quiet'],
  ['run', TRACE, '--format', 'md', '--quiet', '--jobs', '2'],
  ['run', TRACE, '-m', TOY, '--quiet'],
  ['run', TRACE, '--format', 'html', '--quiet'],
  ['explain', TRACE, '--top', '3', '-m', 'uvm', '--quiet'],
])('%s answers as from source', async (...args) => {
  const source = await gmemEval(args);
  expect(source.status).toBe(0);
  expect(built(...args)).toBe(source.stdout);
});

test('a figure is drawn with the same fonts', async () => {
  const scratch = scratchFolder();
  const results = join(scratch, 'results.json');
  writeFileSync(results, built('run', TRACE, '--format', 'json', '--quiet'));
  const draw = (name: string) => ['figure', '--kind', 'migration', results, '--out', join(scratch, name)];
  built(...draw('built.svg'));
  expect((await gmemEval(draw('source.svg'))).status).toBe(0);
  expect(readFileSync(join(scratch, 'built.svg'), 'utf8')).toBe(readFileSync(join(scratch, 'source.svg'), 'utf8'));
});

test('a module of the user that imports this program by its name gets it', () => {
  const model = join(scratchFolder(), 'mine.mjs');
  writeFileSync(
    model,
    `import { defineModel, RIGHTS, rangeMask } from 'gmem-eval';
export default defineModel({
  name: 'mine', title: 'Mine', summary: ['none'], sources: ['none'], presets: { default: { title: 'none' } }, parameters: {},
  create: (core) => ({
    deviceFaults(device, faults) {
      for (let i = 0; i < faults.count; i++) {
        core.map(device, Math.floor(faults.page[i] / 512), rangeMask(0, 511), RIGHTS.write, 1);
        faults.serve(i);
      }
    },
    hostFault(page) {
      core.map(0, Math.floor(page / 512), rangeMask(0, 511), RIGHTS.write, 1);
      return 'retry';
    },
  }),
});
`,
  );
  expect(JSON.parse(built('run', TRACE, '-m', model, '--format', 'json', '--quiet')).runs[0].model).toBe('mine');
});

test('what another build has cached is not used', () => {
  const scratch = scratchFolder();
  const trace = join(scratch, 'trace.csv');
  const rows = Array.from({ length: 60_000 }, (_, i) => `${i},gpu0,read,0x${((i % 100) * 4096).toString(16)},64\n`);
  writeFileSync(trace, `time_ns,actor,op,addr,size\n${rows.join('')}`);
  expect(statSync(trace).size).toBeGreaterThan(CACHED_FROM_BYTES);
  const cache = join(scratch, 'cache');
  const env = { ...process.env, GMEM_EVAL_CACHE: cache, GMEM_EVAL_CACHE_SIZE: '1GiB' };
  const run = (): number => {
    execFileSync(process.execPath, [program, 'run', trace, '-m', 'gmem', '--quiet'], { env });
    return readdirSync(cache).filter((name) => name.endsWith('.arrow')).length;
  };
  expect(run()).toBe(1);
  expect(run()).toBe(1);
  // A module that is loaded by its name, and one of those with what several share: remarks change nothing but the texts.
  const shared = readdirSync(dist).find((name) => name.startsWith('shared-'));
  appendFileSync(join(dist, 'trace/formats/csv.js'), '// another build\n');
  expect(run()).toBe(2);
  appendFileSync(join(dist, `${shared}`), '// another build\n');
  expect(run()).toBe(3);
});

test('it can be imported', () => {
  const url = pathToFileURL(join(dist, 'index.js')).href;
  const { status, stdout } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', `console.log(Object.keys(await import('${url}')).sort().join())`],
    { encoding: 'utf8' },
  );
  expect(status).toBe(0);
  expect(stdout.trim()).toMatch(/\bdefineModel\b/);
});
