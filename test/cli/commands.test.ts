import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { METRIC_NAMES } from '../../src/replay/metrics.ts';
import type { ModelDefinition } from '../../src/replay/model.ts';
import { gmemEval, scratchFolder, TINY, TOY } from './harness.ts';

const folder = scratchFolder();
const tiny = join(folder, 'tiny.csv');
writeFileSync(tiny, TINY);

async function ok(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await gmemEval(args);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

test('--version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(await ok('--version')).toBe(`${version}\n`);
});

test.each([[], ['run'], ['trace'], ['trace', 'info'], ['trace', 'check'], ['models'], ['metrics'], ['platforms']])(
  'help of %s %s',
  async (...command) => {
    const help = await ok(...command, '--help');
    expect(help).toMatch(/^Usage: gmem-eval/);
    for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
  },
);

test('models run by default in the order that they declare, and `models` lists them so', async () => {
  const list = (await ok('models')).trimEnd().split('\n').slice(1);
  const byDefault = list.filter((line) => line.includes(' default ')).map((line) => line.split(' ')[0]);
  expect(byDefault).toEqual(['gmem', 'uvm', 'kfd', 'hmm']);
  const { runs } = JSON.parse(await ok('run', tiny, '--format', 'json', '--quiet')) as { runs: { model: string }[] };
  expect(runs.map((r) => r.model)).toEqual(byDefault);
});

test('`models NAME` tells mechanism, presets, parameters with source, metrics', async () => {
  const text = await ok('models', TOY);
  expect(text).toContain('toy: A toy that moves single pages');
  expect(text).toContain('Moves the faulted page and nothing else.');
  expect(text).toContain('  slow: with a cost (serviceNs=1000)');
  expect(text).toContain('  serviceNs = 0 ns (a whole number of at least 0 and at most 1000000)');
  expect(text).toContain('  span = unset (a size, or "unset")');
  expect(text).toContain('  mode = auto (one of auto, on, off)');
  expect(text).toContain('      source: assumed');
  expect(text).toContain('  page = 4096 bytes (one of 4096, 65536, 2097152)');
  expect(text).toContain('  toy.served (count): faults served');
});

test('every shipped model is described in about five lines, and every parameter has doc and source', async () => {
  const models = JSON.parse(await ok('models', '--format', 'json')) as ModelDefinition[];
  expect(models.length).toBeGreaterThanOrEqual(4);
  for (const model of models) {
    expect(model.summary.length, model.name).toBeGreaterThanOrEqual(3);
    expect(model.summary.length, model.name).toBeLessThanOrEqual(8);
    expect(model.sources.length, model.name).toBeGreaterThan(0);
    expect(await ok('models', model.name)).toContain(model.title);
    for (const [name, spec] of Object.entries(model.parameters)) {
      expect(spec.doc, `${model.name}.${name}`).toBeTruthy();
      expect(spec.source, `${model.name}.${name}`).toBeTruthy();
    }
  }
});

test('`metrics` lists every metric with unit, direction and definition', async () => {
  const lines = (await ok('metrics')).split('\n');
  for (const name of METRIC_NAMES) {
    expect(
      lines.some((line) => line.startsWith(`${name} `)),
      name,
    ).toBe(true);
  }
  const all = JSON.parse(await ok('metrics', '--format', 'json')) as Record<string, string>[];
  expect(all.slice(0, METRIC_NAMES.length).map((m) => m.name)).toEqual(METRIC_NAMES);
  expect(all.find((m) => m.name === 'slowdown')).toMatchObject({ unit: 'ratio', direction: 'lower' });
});

test('a platform as JSON is a platform file', async () => {
  expect(await ok('platforms')).toMatch(/^pcie4 +default /m);
  expect(await ok('platforms', 'gtx1080ti')).toMatch(/^link\.h2d\.copyOverheadNs +770 +fit of 0\.77 us/m);
  const file = join(folder, 'mine.json');
  writeFileSync(file, (await ok('platforms', 'zero', '--format', 'json')).replace('"zero"', '"mine"'));
  expect(await ok('platforms', file)).toMatch(/^mine: /);
  const runs = async (platform: string) => {
    const { manifest, runs } = JSON.parse(await ok('run', tiny, '-m', TOY, '--platform', platform, '--format', 'json'));
    return [manifest.platform.name, runs];
  };
  const [name, own] = await runs(file);
  expect(name).toBe('mine');
  expect(own).toEqual((await runs('zero'))[1]);
});

test('`trace info` and `trace check`', async () => {
  const info = await ok('trace', 'info', tiny);
  expect(info).toMatch(/^title +tiny$/m);
  expect(info).toMatch(/^records +4$/m);
  expect(info).toMatch(/^gpu0 +2 +3 +12 KiB +2 MiB$/m); // read 1 page, wrote 2; both in one block
  expect(info).toMatch(/^a +managed +8 KiB$/m);
  expect(JSON.parse(await ok('trace', 'info', tiny, '--format', 'json'))).toMatchObject({ records: 4, accesses: 3 });
  expect(await ok('trace', 'check', tiny)).toBe(`${tiny}: valid, 4 records\n`);
});

test('control characters in a trace stay out of `trace info`', async () => {
  const file = join(folder, 'hostile.csv');
  writeFileSync(file, '# title: \u001b[2J\u0007\nactor,op,addr,size,arg\ncpu,alloc,0x200000,4096,"\u001b]0x"\n');
  const text = await ok('trace', 'info', file);
  expect(text).not.toContain('\u001b');
  expect(text).not.toContain('\u0007');
});
