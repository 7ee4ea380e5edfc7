/** Every row: a comparison that cannot be made, what standard error must say, and that nothing else happens. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { limited, resultOf, run } from '../report/fixture.ts';
import { gmemEval, ROOT, scratchFolder, TINY, TOY } from './harness.ts';

const folder = scratchFolder();
const at = (name: string): string => join(folder, name);
const file = (name: string, value: unknown): string => {
  writeFileSync(at(name), typeof value === 'string' ? value : JSON.stringify(value));
  return at(name);
};

const result = resultOf([run('uvm', { batches: 3 }), limited('uvm', 2, 4)]);
const text = JSON.stringify(result);
const good = file('good.json', text);
const tiny = file('tiny.csv', TINY);
mkdirSync(at('a-folder'));
const other = at('other.json');

type Json = ReturnType<typeof resultOf>;
/** A copy of the good result in which something is different. */
const but = (name: string, change: (copy: Json) => unknown): string => {
  const copy = structuredClone(result);
  return file(name, change(copy) ?? copy);
};
const withoutMetric = (copy: Json): Json => {
  const { batches: _gone, ...metrics } = copy.runs[0].metrics;
  return { ...copy, runs: [{ ...copy.runs[0], metrics }, ...copy.runs.slice(1)] } as Json;
};
const compare = (now: string, ...args: string[]): string[] => ['compare', good, now, ...args];
const rules = (name: string, yaml: string): string[] => compare(good, '--config', file(name, yaml));
const baseline = (...args: string[]): string[] => ['run', tiny, '-m', TOY, ...args];

const cases: [string, string[], RegExp][] = [
  ['no result', ['compare'], /missing required argument 'base'/],
  ['one result', ['compare', good], /missing required argument 'new'/],
  ['three results', ['compare', good, good, good], /too many arguments/],
  ['a base that is not there', ['compare', at('no.json'), good], /no\.json: cannot read the result: ENOENT/],
  ['a new result that is not there', compare(at('no.json')), /no\.json: cannot read the result: ENOENT/],
  [
    'a new result that is not there, allowed or not',
    compare(at('no.json'), '--allow-missing'),
    /no\.json: cannot read/,
  ],
  ['a folder', compare(at('a-folder')), /a-folder: cannot read the result: EISDIR/],
  ['an empty file', compare(file('empty.json', '')), /empty\.json: not JSON, or cut off/],
  [
    'truncated JSON',
    compare(file('cut.json', text.slice(0, -30))),
    /cut\.json: not JSON, or cut off: .*\n.*is it whole/,
  ],
  ['a truncated base', ['compare', file('cut2.json', text.slice(0, 500)), good], /cut2\.json: not JSON, or cut off/],
  ['a trace', compare(tiny), /tiny\.csv: not JSON/],
  ['JSON that is no object', compare(file('list.json', '[1]')), /list\.json: not a result of gmem-eval/],
  ['null', compare(file('null.json', 'null')), /null\.json: not a result of gmem-eval/],
  ['JSON of something else', compare(join(ROOT, 'package.json')), /package\.json: not a result of gmem-eval/],
  [
    'a later schema',
    compare(file('v2.json', { ...result, schema: 'gmem-eval/result@2' })),
    /v2\.json: its schema is gmem-eval\/result@2, not gmem-eval\/result@1\n.*of this version/,
  ],
  [
    'an earlier schema as base',
    ['compare', file('v0.json', { ...result, schema: 'gmem-eval/result@0' }), good],
    /v0\.json: its schema/,
  ],
  [
    'a comparison as result',
    compare(file('comparison.json', { ...result, schema: 'gmem-eval/comparison@1' })),
    /comparison\.json: its schema is gmem-eval\/comparison@1/,
  ],
  ['a result with zero runs', compare(but('none.json', (r) => ({ ...r, runs: [] }))), /none\.json: no runs in it/],
  ['a base with zero runs', ['compare', at('none.json'), good], /none\.json: no runs in it/],
  ['a result without manifest', compare(but('m.json', (r) => ({ ...r, manifest: undefined }))), /m\.json: manifest: /],
  [
    'a metric of text',
    compare(but('text.json', (r) => void Object.assign(r.runs[0].metrics, { batches: '3' }))),
    /text\.json: runs\.0\.metrics\.batches: /,
  ],
  [
    'a number beyond numbers',
    compare(file('inf.json', text.replace('"batches":3', '"batches":1e999'))),
    /inf\.json: runs\.0\.metrics\.batches: /,
  ],
  [
    'another trace',
    compare(but('trace.json', (r) => void (r.manifest.trace.sha256 = 'f'.repeat(64)))),
    /trace\.json cannot be judged against .*good\.json:\n {2}- the traces differ: hand\.csv has SHA-256 0{12}\.\.\., hand\.csv f{12}\.\.\.\n.*--allow-missing/,
  ],
  [
    'a metric too few',
    compare(but('less.json', withoutMetric)),
    /- batches of "uvm, unlimited" is only in .*good\.json\n/,
  ],
  ['a metric too many', ['compare', at('less.json'), good], /- batches of "uvm, unlimited" is only in .*good\.json\n/],
  [
    'null in one and a number in the other',
    compare(but('null-metric.json', (r) => void (r.runs[0].metrics.batches = null))),
    /- batches of "uvm, unlimited" is a number in .*good\.json and null in .*null-metric\.json\n/,
  ],
  [
    'a number in one and null in the other',
    ['compare', at('null-metric.json'), good],
    /- batches of "uvm, unlimited" is null in .*null-metric\.json and a number in .*good\.json\n/,
  ],
  [
    'a run too few',
    compare(but('few.json', (r) => ({ ...r, runs: r.runs.slice(1) }))),
    /- run "uvm, unlimited" is only in .*good\.json\n/,
  ],
  ['a run too many', ['compare', at('few.json'), good], /- run "uvm, unlimited" is only in .*good\.json\n/],
  [
    'another size',
    compare(but('size.json', (r) => void (r.runs[1].oversubscription = 3))),
    /- run "uvm, oversub 2" is only in .*good\.json\n {2}- run "uvm, oversub 3" is only in .*size\.json\n/,
  ],
  [
    'a run twice',
    compare(but('twice.json', (r) => ({ ...r, runs: [...r.runs, r.runs[0]] }))),
    /twice\.json: the run "uvm, unlimited" stands twice, with equal parameters/,
  ],
  [
    'a metric that nobody defined',
    ['compare', but('odd.json', (r) => void (r.runs[0].metrics['odd'] = 1)), at('odd.json')],
    /- odd of "uvm, unlimited" is in no dictionary/,
  ],
  [
    'an unknown format',
    compare(good, '--format', 'tabel'),
    /--format tabel: no such format for a comparison\n.*did you mean "table"\?/,
  ],
  ['a format of run', compare(good, '--format', 'csv'), /--format csv: no such format for a comparison/],
  ['a report without its file', compare(good, '--report', 'junit'), /--report junit: not FORMAT=FILE/],
  ['a report of an unknown format', compare(good, '--report', `xml=${other}`), /--format xml: no such format/],
  ['a report over the base', compare(at('few.json'), '--report', `md=${good}`), /BASE and --report name the same file/],
  [
    'the answer over the new result',
    ['compare', at('few.json'), good, '--out', good],
    /NEW and --out name the same file/,
  ],
  [
    'two reports in one file',
    compare(good, '--report', `md=${other}`, '--report', `json=${other}`),
    /--report and --report name the same file/,
  ],
  ['a folder that is not there', compare(good, '--out', join(folder, 'no', 'r.txt')), /r\.txt: cannot write: ENOENT/],
  ['a report into a folder', compare(good, '--report', `md=${at('a-folder')}`), /a-folder: cannot write: EISDIR/],
  ['a full disk', compare(good, '--out', '/dev/full'), /\/dev\/full: cannot write: ENOSPC/],
  ['a report on a full disk', compare(good, '--report', 'junit=/dev/full'), /\/dev\/full: cannot write: ENOSPC/],
  ['rules that are not there', compare(good, '--config', at('no.yaml')), /no\.yaml: cannot read the rules: ENOENT/],
  ['bad YAML', rules('r1.yaml', 'compare:\n  rules:\n    - { metric: batches\n'), /r1\.yaml:\d: not YAML: /],
  [
    'an unknown key',
    rules('r2.yaml', 'compare:\n  rules:\n    - metric: batches\n      tolerance: 1\n      limit: 2\n'),
    /r2\.yaml:5: compare\.rules\.0: .*"limit"/,
  ],
  [
    'an unknown metric in a rule',
    rules('r3.yaml', '# ours\ncompare:\n  rules:\n    - metric: batchs\n      tolerance: 1\n'),
    /r3\.yaml:4: no metric "batchs"\n.*did you mean "batches"\?/,
  ],
  [
    'an unknown model in a rule',
    rules('r4.yaml', 'compare:\n  rules:\n    - metric: batches\n      model: uvn\n      tolerance: 1\n'),
    /r4\.yaml:4: no model "uvn"\n.*did you mean "uvm"\?/,
  ],
  [
    'a broken tolerance',
    rules('r5.yaml', 'compare:\n  rules: [{ metric: batches, tolerance: "%" }]\n'),
    /r5\.yaml:2: "%" is not a tolerance/,
  ],
  ['a missing baseline', baseline('--baseline', at('no.json')), /no\.json: cannot read the result: ENOENT/],
  [
    'a baseline of another trace',
    baseline('--baseline', good),
    /new result cannot be judged against .*good\.json:\n {2}- the traces differ/,
  ],
  [
    'a baseline and a format of run',
    baseline('--baseline', good, '--format', 'csv'),
    /no such format for a comparison/,
  ],
  ['a baseline of another version', baseline('--baseline', at('v2.json')), /v2\.json: its schema is/],
  ['an update of no baseline', baseline('--update-baseline'), /--update-baseline without --baseline/],
  ['rules without a baseline', baseline('--config', at('r1.yaml')), /--config without --baseline/],
  ['reports without a baseline', baseline('--report', `md=${other}`), /--report without --baseline/],
  ['missing allowed without a baseline', baseline('--allow-missing'), /--allow-missing without --baseline/],
  ['an update that would overwrite a trace', baseline('--baseline', tiny, '--update-baseline'), /tiny\.csv: not JSON/],
  [
    'an update that would overwrite other JSON',
    baseline('--baseline', at('list.json'), '--update-baseline'),
    /list\.json: not a result/,
  ],
  [
    'an update of a cut-off file',
    baseline('--baseline', at('cut.json'), '--update-baseline'),
    /cut\.json: not JSON, or cut off/,
  ],
  [
    'an update into a folder that is not there',
    baseline('--baseline', join(folder, 'no', 'b.json'), '--update-baseline'),
    /b\.json: cannot write: ENOENT/,
  ],
  [
    'answer and baseline in one file',
    baseline('--baseline', good, '--update-baseline', '--out', good),
    /--out and --baseline name the same file/,
  ],
  [
    'an update of a broken trace',
    ['run', file('row.csv', 'actor,op\nx'), '-m', TOY, '--baseline', good, '--update-baseline'],
    /row\.csv:/,
  ],
];

test.each(cases)('%s', async (_, args, message) => {
  const before = readdirSync(folder);
  const { status, stdout, stderr } = await gmemEval(args);
  expect(stderr).toMatch(message);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).not.toMatch(/\n {4}at /);
  expect(readdirSync(folder)).toEqual(before);
  expect(readFileSync(good, 'utf8')).toBe(text);
});

test('names of files, runs and traces do not steer the terminal', async () => {
  const evil = '\u001b[31m\u202e<b>\n::error::x';
  const changed = structuredClone(result);
  changed.manifest.trace.name = evil;
  changed.runs[0].model = evil;
  const { status, stdout, stderr } = await gmemEval(compare(file('evil.json', changed)));
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).not.toContain('\u001b');
  expect(stderr).not.toMatch(/^::error/m);
});
