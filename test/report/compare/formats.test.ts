import { expect, test } from 'vitest';
import { type Comparison, compareResults } from '../../../src/report/compare/comparison.ts';
import { parseRules } from '../../../src/report/compare/read-rules.ts';
import { comparisonFormatNames, loadComparisonFormat } from '../../../src/report/compare/registry.ts';
import type { RunResult } from '../../../src/report/result.ts';
import { type Element, parseXml } from '../../helpers/xml.ts';
import { resultOf, run } from '../fixture.ts';

const how = { allowMissing: true, accept: false };

function comparisonOf(
  base: RunResult[],
  now: RunResult[],
  trace = 'hand.csv',
  rules: Parameters<typeof compareResults>[2] = [],
) {
  const named = (runs: RunResult[]) => {
    const result = resultOf(runs);
    result.manifest.trace.name = trace;
    return result;
  };
  return compareResults({ file: 'b.json', result: named(base) }, { file: 'n.json', result: named(now) }, rules, how);
}

async function render(format: string, comparison: Comparison): Promise<string> {
  return (await loadComparisonFormat(format)).render(comparison, { color: false });
}

/** Worse by half, by one of many, out of nothing; better; changed; tolerated. */
const rules = parseRules('g.yaml', 'compare:\n  rules:\n    - { metric: roundTrips, tolerance: 10% }\n', {
  metrics: ['roundTrips'],
  models: [],
});
const mixed = comparisonOf(
  [
    run('a', {
      'faults.device': 10,
      'faults.host': 1000,
      batches: 0,
      services: 4,
      'populate.host.pages': 1,
      roundTrips: 20,
    }),
    run('b', { slowdown: 1.5 }),
  ],
  [
    run('a', {
      'faults.device': 15,
      'faults.host': 1001,
      batches: 2,
      services: 3,
      'populate.host.pages': 2,
      roundTrips: 22,
    }),
    run('b', { slowdown: 1.25 }),
  ],
  'hand.csv',
  rules,
);

test('there are the six formats', () => {
  expect(comparisonFormatNames()).toEqual(['benchmark', 'github', 'json', 'junit', 'md', 'table']);
});

test('table: worst first, the unchanged counted', async () => {
  // 62 or more metrics a run; 6 of them differ in a, 1 in b.
  const unchanged = mixed.runs.reduce((sum, r) => sum + r.metrics.length, 0) - 7;
  expect(await render('table', mixed)).toBe(`hand.csv
b.json (gmem-eval 1.2.3) -> n.json (gmem-eval 1.2.3)

worse (3)
  run           metric                base    new  change  relative
  a, unlimited  batches                  0      2      +2    from 0
  a, unlimited  faults.device           10     15      +5     +50 %
  a, unlimited  faults.host          1,000  1,001      +1    +0.1 %

worse within tolerance (1)
  run           metric                base    new  change  relative
  a, unlimited  roundTrips              20     22      +2     +10 %  tolerance 10%, g.yaml:3

changed (1)
  run           metric                base    new  change  relative
  a, unlimited  populate.host.pages      1      2      +1    +100 %

better (2)
  run           metric                base    new  change  relative
  a, unlimited  services                 4      3      -1     -25 %
  b, unlimited  slowdown               1.5   1.25   -0.25   -16.7 %

regression: 3 worse, 1 worse within tolerance, 1 changed, 2 better, ${unchanged} unchanged in 2 runs
`);
});

test('table: nothing changed is one line, and colours only where wanted', async () => {
  const same = comparisonOf([run('a')], [run('a')]);
  const { length } = same.runs[0].metrics;
  expect((await render('table', same)).split('\n').slice(2)).toEqual([
    '',
    `no regression: 0 worse, ${length} unchanged in 1 run`,
    '',
  ]);
  const painted = (await loadComparisonFormat('table')).render(mixed, { color: true });
  expect(painted).toContain('\u001b[31m  a, unlimited  batches');
  expect(await render('table', mixed)).not.toContain('\u001b');
});

test('md: a table of the same rows', async () => {
  const lines = (await render('md', mixed)).split('\n');
  expect(lines[0]).toBe('### gmem-eval: regression');
  expect(lines.filter((line) => line.startsWith('| ')).slice(0, 3)).toEqual([
    '| | run | metric | base | new | change | relative |',
    '| **worse** | a, unlimited | batches | 0 | 2 | +2 | from 0 |',
    '| **worse** | a, unlimited | faults.device | 10 | 15 | +5 | +50 % |',
  ]);
});

test('md: fits a comment on a pull request, however much changed', async () => {
  const many = (value: number): RunResult[] =>
    Array.from({ length: 40 }, (_, i) =>
      run(`m${i}`, Object.fromEntries(Object.keys(run('a').metrics).map((m) => [m, value]))),
    );
  const comparison = comparisonOf(many(1), many(2));
  const text = await render('md', comparison);
  const changes = comparison.runs.reduce((sum, r) => sum + r.metrics.length, 0);
  expect(text).toContain(`And ${changes - 200} more.`);
  expect(text.length).toBeLessThan(65_536);
});

test('junit: the published shape, a suite a run and a case a metric', async () => {
  const root = parseXml(await render('junit', mixed));
  const cases = mixed.runs.map((r) => r.metrics.length);
  expect(root.name).toBe('testsuites');
  expect(root.attributes).toEqual({
    name: 'gmem-eval compare',
    tests: String(cases[0] + cases[1]),
    failures: '3',
    errors: '0',
    skipped: '0',
    time: '0',
  });
  expect(root.children.map((s) => [s.name, s.attributes])).toEqual([
    [
      'testsuite',
      { name: 'hand.csv: a, unlimited', tests: String(cases[0]), failures: '3', errors: '0', skipped: '0', time: '0' },
    ],
    [
      'testsuite',
      { name: 'hand.csv: b, unlimited', tests: String(cases[1]), failures: '0', errors: '0', skipped: '0', time: '0' },
    ],
  ]);
  for (const [i, suite] of root.children.entries()) {
    expect(suite.children).toHaveLength(cases[i]);
    expect(new Set(suite.children.map((c) => c.attributes['name'])).size).toBe(cases[i]);
    for (const c of suite.children) {
      expect(c.name).toBe('testcase');
      expect(Object.keys(c.attributes)).toEqual(['classname', 'name', 'time']);
      expect(c.attributes['classname']).toBe(suite.attributes['name']);
    }
  }
  const failed = root.children[0].children.filter((c) => c.children.length > 0);
  expect(failed.map((c) => [c.attributes['name'], c.children.map((f) => f.name).join()])).toEqual([
    ['faults.device', 'failure'],
    ['faults.host', 'failure'],
    ['batches', 'failure'],
  ]);
  expect(failed[0].children[0].attributes).toEqual({
    message: 'faults.device 10 -> 15 (+5, +50 %; lower is better)',
    type: 'regression',
  });
});

test('junit: what could not be compared is skipped, what became the baseline does not fail', async () => {
  const skipping = comparisonOf([run('a', { batches: null })], [run('a', { batches: 1 })]);
  const suite = parseXml(await render('junit', skipping)).children[0];
  expect(suite.attributes).toMatchObject({ failures: '0', skipped: '1' });
  expect(suite.children.find((c: Element) => c.attributes['name'] === 'batches')?.children[0].name).toBe('skipped');
  const accepted = { ...mixed, verdict: 'accepted' as const };
  expect(parseXml(await render('junit', accepted)).attributes['failures']).toBe('0');
  expect(await render('github', accepted)).not.toContain('::error');
});

test('github: an error for each metric that fails, one notice', async () => {
  const unchanged = mixed.runs.reduce((sum, r) => sum + r.metrics.length, 0) - 7;
  expect((await render('github', mixed)).split('\n')).toEqual([
    '::error title=hand.csv%3A a%2C unlimited::batches 0 -> 2 (+2, from 0; lower is better)',
    '::error title=hand.csv%3A a%2C unlimited::faults.device 10 -> 15 (+5, +50 %25; lower is better)',
    '::error title=hand.csv%3A a%2C unlimited::faults.host 1,000 -> 1,001 (+1, +0.1 %25; lower is better)',
    `::notice title=hand.csv::regression: 3 worse, 1 worse within tolerance, 1 changed, 2 better, ${unchanged} unchanged in 2 runs`,
    '',
  ]);
});

test('github: no more than the ten errors that are shown', async () => {
  const many = (value: number): RunResult[] => Array.from({ length: 12 }, (_, i) => run(`m${i}`, { batches: value }));
  const lines = (await render('github', comparisonOf(many(1), many(2))))
    .split('\n')
    .filter((l) => l.startsWith('::error'));
  expect(lines).toHaveLength(10);
  // 12 in all, 9 told
  expect(lines[9]).toBe('::error title=hand.csv::and 3 more metrics got worse');
});

test('benchmark: what less is better of, as the action reads it', async () => {
  const entries = JSON.parse(await render('benchmark', mixed)) as Record<string, unknown>[];
  expect(entries).toContainEqual({
    name: 'hand.csv: a, unlimited: faults.device',
    unit: 'count',
    value: 15,
    extra: 'base 10',
  });
  expect(entries).toContainEqual({
    name: 'hand.csv: b, unlimited: slowdown',
    unit: 'ratio',
    value: 1.25,
    extra: 'base 1.5',
  });
  const names = entries.map((e) => String(e['name']));
  // Null, neutral, or better when higher: not in this file.
  for (const left of [
    'a, unlimited: slowdown',
    'a, unlimited: populate.host.pages',
    'a, unlimited: speculation.used',
  ]) {
    expect(names).not.toContain(`hand.csv: ${left}`);
  }
  expect(new Set(names).size).toBe(names.length);
});

test('json: the comparison itself', async () => {
  expect(JSON.parse(await render('json', mixed))).toEqual(JSON.parse(JSON.stringify(mixed)));
});

const EVIL =
  '=1+1|`<img src=x onerror=alert(1)>"\' & ]]> **b** [l](http://x) @team #1 ::error::x %0A $x$\n::error title=evil::x\r\u001b[31m\u202e\ud800';

test('names with HTML, Markdown, XML and workflow specials stay text in every format', async () => {
  const evil = comparisonOf([run(EVIL, { batches: 1, 'x<|\n': 1 })], [run(EVIL, { batches: 2, 'x<|\n': 2 })], EVIL);
  for (const format of comparisonFormatNames()) {
    const text = await render(format, evil);
    for (const control of ['\u001b', '\u202e', '\r']) {
      if (format !== 'json') expect(text, format).not.toContain(control);
    }
    expect(
      text.split('\n').filter((line) => line.startsWith('::error title=evil')),
      format,
    ).toEqual([]);
  }
  const md = await render('md', evil);
  expect(md).not.toMatch(/<img|@team|#1|http:\/\/|[^\\]\*\*b|[^\\]\[l|[^\\]`|[^\\]\$/);
  // Every row still has its eight borders.
  for (const line of md.split('\n').filter((l) => l.startsWith('|'))) {
    expect(line.replaceAll('\\|', '').split('|')).toHaveLength(9);
  }
  const [suite] = parseXml(await render('junit', evil)).children;
  expect(suite.attributes['name']).toContain(`=1+1|\`<img src=x onerror=alert(1)>"' & ]]> **b**`);
  const github = await render('github', evil);
  expect(
    github
      .trimEnd()
      .split('\n')
      .every((line) => /^::(error|warning|notice) title=[^:,]*::/.test(line)),
  ).toBe(true);
  expect(JSON.parse(await render('benchmark', evil))[0].name).toContain('<img');
});
