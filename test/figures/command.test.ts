import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { gmemEval, ROOT, scratchFolder, TINY, TOY } from '../cli/harness.ts';
import { limited, resultOf, run } from '../report/fixture.ts';

const folder = scratchFolder();
const at = (name: string): string => join(folder, name);
const save = (name: string, value: unknown): string => {
  writeFileSync(at(name), typeof value === 'string' ? value : JSON.stringify(value));
  return at(name);
};
const plain = save('plain.json', resultOf([limited('a', 1, 10), limited('b', 2, 5)]));

async function fails(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await gmemEval(['figure', ...args]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).not.toContain('    at ');
  return stderr;
}

async function works(...args: string[]): Promise<void> {
  expect(await gmemEval(['figure', ...args])).toEqual({ status: 0, stdout: '', stderr: '' });
}

test('a figure and its numbers stand beside each other', async () => {
  await works(plain, '--kind', 'faults', '--out', at('one.pdf'), '--data', '--sizes', '2', '--width', '3.3in');
  expect(readFileSync(at('one.pdf')).subarray(0, 5).toString()).toBe('%PDF-');
  expect(readFileSync(at('one.csv'), 'utf8')).toContain('hand.csv,b,,unit,2,gpu0=5242880,b,faults.device,count,5\n');
  expect(readFileSync(at('one.tex'), 'utf8')).toContain('\n  b & 5 & 0 & 0 \\\\\n');
});

test('a spec in YAML or JSON; files from its own folder; the command line has the last word', async () => {
  save('fig.yaml', 'kind: faults\nresults: plain.json\nsizes: [1]\nmodels: a\nwidth: 60mm\ntitle: "A: B"\n');
  await works(at('fig.yaml'), '--out', at('spec.svg'));
  expect(readFileSync(at('spec.svg'), 'utf8')).toContain('width="60mm"');
  await works(at('fig.yaml'), '--out', at('wide.svg'), '--width', '120mm');
  expect(readFileSync(at('wide.svg'), 'utf8')).toContain('width="120mm"');
  save('fig.json', { kind: 'faults', results: ['plain.json'], width: '60mm', title: 'A: B', sizes: 1, models: ['a'] });
  await works(at('fig.json'), '--out', at('spec2.svg'));
  expect(readFileSync(at('spec2.svg'), 'utf8')).toBe(readFileSync(at('spec.svg'), 'utf8'));
});

test('a heatmap of a run, from its events', async () => {
  const trace = save('tiny.csv', TINY);
  const files = ['--out', at('r.json'), '--events', at('e.jsonl')];
  expect((await gmemEval(['run', trace, '-m', TOY, '--format', 'json', ...files, '--quiet'])).status).toBe(0);
  await works(
    at('r.json'),
    '--kind',
    'heatmap',
    '--events',
    at('e.jsonl'),
    '--layer',
    'faults',
    '--out',
    at('h.svg'),
    '--data',
  );
  // One page written by the CPU, both read or written by the device: all in the first block.
  expect(readFileSync(at('h.csv'), 'utf8')).toMatch(
    /^run,addr,time_ns,layer,unit,value\ntoy.*,0x200000,\d+,faults,faults,\d/,
  );
});

test.each<[string, string[], RegExp]>([
  ['no kind', [plain, '--out', at('x.png')], /--kind is missing/],
  ['an unknown kind', [plain, '--kind', 'pie', '--out', at('x.png')], /no figure kind "pie"[\s\S]*known are faults/],
  ['an unknown ending', [plain, '--kind', 'faults', '--out', at('x.jpg')], /not a name of an image/],
  [
    'an unknown stack',
    [plain, '--kind', 'faults', '-m', 'zzz', '--out', at('x.png')],
    /no run of "zzz"\n.*there are a, b/,
  ],
  ['an unknown size', [plain, '--kind', 'faults', '--sizes', '3', '--out', at('x.png')], /no run of "3"\n.*1x, 2x/],
  ['no length', [plain, '--kind', 'faults', '--width', 'wide', '--out', at('x.png')], /--width: not a length/],
  ['a length of nothing', [plain, '--kind', 'faults', '--width', '1pt', '--out', at('x.png')], /not between 72pt/],
  ['an unknown layer', [plain, '--kind', 'faults', '--layer', 'x', '--out', at('x.png')], /--layer: /],
  ['no events', [plain, '--kind', 'heatmap', '--out', at('x.png')], /0 event files for 1 results/],
  [
    'a missing result',
    [at('none.json'), '--kind', 'faults', '--out', at('x.png')],
    /none\.json: cannot read the result/,
  ],
  ['an unwritable target', [plain, '--kind', 'faults', '--out', at('no/x.png')], /no\/x\.png: cannot write/],
  [
    'another schema',
    [save('v2.json', { schema: 'gmem-eval/result@2', kind: 'x' }), '--kind', 'faults', '--out', at('x.png')],
    /its schema is gmem-eval\/result@2/,
  ],
  [
    'a result cut off',
    [save('cut.json', '{"schema":"gmem'), '--kind', 'faults', '--out', at('x.png')],
    /not JSON, or cut off/,
  ],
  ['no runs', [save('empty.json', resultOf([])), '--kind', 'faults', '--out', at('x.png')], /no runs in it/],
  ['no slowdown', [plain, '--kind', 'slowdown-vs-oversubscription', '--out', at('x.png')], /no run has both/],
  ['a spec of nonsense', [save('bad.yaml', 'kind: [faults\n'), '--out', at('x.png')], /bad\.yaml: not YAML/],
  [
    'an unknown word in a spec',
    [save('odd.yaml', 'kind: faults\nresults: x\ncolour: red\n'), '--out', at('x.png')],
    /odd\.yaml: .*colour/,
  ],
])('bad input: %s', async (_, args, message) => {
  expect(await fails(...args)).toMatch(message);
  expect(existsSync(at('x.png'))).toBe(false);
  expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

test('metrics that a stack has no notion of are drawn as such', async () => {
  const none = resultOf([run('a', { 'faults.device': null, 'faults.deviceRaw': null, 'time.total.ns': null })]);
  for (const kind of ['faults', 'time-breakdown', 'migration']) {
    await works(save('null.json', none), '--kind', kind, '--out', at(`null-${kind}.svg`), '--data');
  }
  expect(readFileSync(at('null-faults.tex'), 'utf8')).toContain('a & -- & -- & 0');
});

test('names of anything but letters are text, and give no markup', async () => {
  const name = '</text><image href="x"/>&_%$#{}\\[*';
  const hostile = resultOf([run(name, {}, { warnings: [name] }), run('b')]);
  await works(save('odd.json', hostile), '--kind', 'faults', '--title', name, '--out', at('odd.svg'), '--data');
  expect(readFileSync(at('odd.svg'), 'utf8')).not.toContain('<image');
  expect(readFileSync(at('odd.tex'), 'utf8')).not.toMatch(/(?<!\\)[%$#_]\$/);
});

test('charts are loaded by nothing but the drawing of a figure', () => {
  const loaded = new Set<string>();
  const walk = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, path] of text.matchAll(/^(?:import|export)\b(?! type)[^;]*?from '([^']+)'/gm)) {
      if (path.startsWith('.')) walk(join(file, '..', path));
      else loaded.add(path);
    }
  };
  walk(join(ROOT, 'src/cli/main.ts'));
  expect([...loaded].filter((name) => /canvas|chart\.js/.test(name))).toEqual([]);
  walk(join(ROOT, 'src/figures/render.ts'));
  expect([...loaded].filter((name) => /chart\.js/.test(name))).toEqual(['chart.js/helpers']);
});
