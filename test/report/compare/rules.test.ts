import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseRules } from '../../../src/report/compare/read-rules.ts';
import { findConfig, type Rule, ruleFor } from '../../../src/report/compare/rules.ts';
import { scratchFolder } from '../../cli/harness.ts';

const known = { metrics: ['faults.device', 'faults.host', 'time.total.ns', 'toy.served'], models: ['toy', 'other'] };
const rules = (...lines: string[]): Rule[] =>
  parseRules('g.yaml', ['compare:', '  rules:', ...lines].join('\n'), known);
const subject = { metric: 'faults.device', model: 'toy', preset: 'slow', trace: 'a.csv' };
const toleranceFor = (list: Rule[], more: Partial<typeof subject> = {}): string | undefined =>
  ruleFor(list, { ...subject, ...more })?.text;

test('a rule is chosen by metric, model, preset and trace; the last that fits decides', () => {
  const list = rules(
    '    - { metric: faults.*, tolerance: 1 }',
    '    - { metric: [faults.device, time.total.ns], model: toy, tolerance: 2 }',
    '    - { metric: "*", model: "toy:slow", trace: "b*.csv", tolerance: 3% }',
  );
  expect(toleranceFor(list)).toBe('2');
  expect(toleranceFor(list, { metric: 'faults.host' })).toBe('1');
  expect(toleranceFor(list, { model: 'other' })).toBe('1');
  expect(toleranceFor(list, { trace: 'bc.csv' })).toBe('3%');
  expect(toleranceFor(list, { trace: 'bc.csv', preset: 'plain' })).toBe('2');
  expect(toleranceFor(list, { metric: 'toy.served' })).toBeUndefined();
  expect(list.map((rule) => rule.where)).toEqual(['g.yaml:3', 'g.yaml:4', 'g.yaml:5']);
});

test('tolerances: an amount, a share, any', () => {
  const list = rules(
    '    - { metric: faults.device, tolerance: 16 }',
    '    - { metric: faults.host, tolerance: 0.5 % }',
    '    - { metric: time.total.ns, tolerance: any }',
    '    - { metric: toy.served, tolerance: 1e6 }',
  );
  expect(list.map((rule) => rule.tolerance)).toEqual([
    { kind: 'absolute', amount: 16 },
    { kind: 'percent', percent: 0.5 },
    { kind: 'any' },
    { kind: 'absolute', amount: 1_000_000 },
  ]);
});

test.each([
  ['', 'an empty file'],
  ['# nothing yet\n', 'a comment'],
  ['compare:\n', 'an empty section'],
  ['compare: {}\n', 'a section without rules'],
  ['compare: { rules: [] }\n', 'no rules'],
])('%j has no rules: %s', (text) => {
  expect(parseRules('g.yaml', text, known)).toEqual([]);
});

test('* stands for any characters, also none, and may stand twice', () => {
  const fitting = (pattern: string): boolean =>
    toleranceFor(
      rules('    - { metric: "*", tolerance: 1 }', `    - { metric: "*", trace: "${pattern}", tolerance: 2 }`),
    ) === '2';
  for (const pattern of ['a.csv', '*', 'a*', '*csv', 'a.csv*', '*.*', 'a*.*v', '**'])
    expect(fitting(pattern)).toBe(true);
  for (const pattern of ['A.csv', 'b*', '*a', 'a.csv?', 'a.csva*', '*v*v*v*', 'a.*.csv'])
    expect(fitting(pattern)).toBe(false);
});

const bad: [string, string, RegExp][] = [
  ['bad YAML', 'compare:\n  rules:\n    - { metric: a, tolerance: 1\n', /^g\.yaml:\d+: not YAML: /],
  ['a tab', 'compare:\n\trules: []\n', /^g\.yaml:2: not YAML: /],
  ['a key twice', 'compare: {}\ncompare: {}\n', /^g\.yaml:2: not YAML: .*unique/],
  ['two documents', 'compare: {}\n---\ncompare: {}\n', /^g\.yaml:\d: not YAML: /],
  ['an unknown section', 'compare: {}\ncomprae: {}\n', /^g\.yaml:2: .*"comprae"/],
  ['an unknown key', 'compare:\n  rules: []\n  limits: []\n', /^g\.yaml:3: compare: .*"limits"/],
  ['a list as the whole', '- 1\n', /^g\.yaml:1: /],
  ['no tolerance', 'compare:\n  rules:\n    - metric: faults.device\n', /^g\.yaml:3: compare\.rules\.0\.tolerance: /],
  ['no metric', 'compare:\n  rules:\n    - tolerance: 1\n', /^g\.yaml:3: compare\.rules\.0\.metric: /],
  [
    'an unknown key of a rule',
    'compare:\n  rules:\n    - metric: faults.device\n      tolerance: 1\n      percent: 3\n',
    /^g\.yaml:5: compare\.rules\.0: .*"percent"/,
  ],
  [
    'a negative tolerance',
    'compare:\n  rules:\n    - metric: faults.device\n      tolerance: -1\n',
    /^g\.yaml:4: compare\.rules\.0\.tolerance: /,
  ],
  [
    'a tolerance of words',
    'compare:\n  rules:\n    - metric: faults.device\n      tolerance: a bit\n',
    /^g\.yaml:4: "a bit" is not a tolerance/,
  ],
  [
    'a negative share',
    'compare:\n  rules:\n    - metric: faults.device\n      tolerance: -1%\n',
    /^g\.yaml:4: "-1%" is not a tolerance/,
  ],
  [
    'an unknown metric',
    'compare:\n  rules:\n    - tolerance: 1\n      metric: faults.devise\n',
    /^g\.yaml:4: no metric "faults\.devise"/,
  ],
  [
    'a pattern that no metric fits',
    'compare:\n  rules:\n    - { metric: "fault.*", tolerance: 1 }\n',
    /^g\.yaml:3: no metric "fault\.\*"/,
  ],
  [
    'an unknown model',
    'compare:\n  rules:\n    - metric: faults.device\n\n      model: tyo\n      tolerance: 1\n',
    /^g\.yaml:5: no model "tyo"/,
  ],
  [
    'aliases that multiply',
    `a: &a [x, x]\n${[...'bcdefgh'].map((c, i) => `${c}: &${c} [${`*${'abcdefgh'[i]}, `.repeat(9)}]`).join('\n')}\n`,
    /^g\.yaml: .*alias/i,
  ],
];

test.each(bad)('%s is an error with its line', (_, text, message) => {
  expect(() => parseRules('g.yaml', text, known)).toThrow(message);
});

test('the nearest gmem-eval.yaml upward', () => {
  const folder = scratchFolder();
  const deep = join(folder, 'a', 'b');
  mkdirSync(deep, { recursive: true });
  expect(findConfig(deep)).toBeNull();
  writeFileSync(join(folder, 'gmem-eval.yaml'), '');
  expect(findConfig(deep)).toBe('../../gmem-eval.yaml');
  writeFileSync(join(folder, 'a', 'gmem-eval.yaml'), '');
  expect(findConfig(deep)).toBe('../gmem-eval.yaml');
  expect(findConfig(folder)).toBe('gmem-eval.yaml');
});
