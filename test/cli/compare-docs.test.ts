/** What docs/ci.md tells people to copy works: its commands, its workflow files, its rules. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { METRIC_NAMES } from '../../src/replay/metrics.ts';
import { modelNames } from '../../src/replay/registry.ts';
import { parseRules } from '../../src/report/compare/read-rules.ts';
import type { Result } from '../../src/report/result.ts';
import { parseXml } from '../helpers/xml.ts';
import { gmemEval, type Outcome, ROOT, scratchFolder } from './harness.ts';

const page = readFileSync(join(ROOT, 'docs', 'ci.md'), 'utf8');
const blocks = (language: string): string[] =>
  [...page.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].flatMap(([, name, body]) => (name === language ? [body] : []));
const shell = blocks('sh').flatMap((block) => block.trim().split('\n'));
const [github, gitlab, config] = blocks('yaml');

const folder = scratchFolder();
const baseline = join(folder, 'ci', 'cyclic.json');

/** Traces are the repository's, everything else is in the test's own folder. */
async function does(line: string): Promise<Outcome> {
  const [npx, program, ...words] = line.replace(/ #.*$/, '').split(/\s+/);
  expect([npx, program]).toEqual(['npx', 'gmem-eval']);
  const args = words.map((word) => {
    if (word.startsWith('traces/')) return join(ROOT, word);
    return word
      .replace('$GITHUB_STEP_SUMMARY', 'summary.md')
      .replace(/^(\w+=)?([\w/-]+\.(?:json|xml|md))$/, (_, format = '', name) => format + join(folder, name));
  });
  return gmemEval([...args, ...(args[0] === 'run' ? ['--quiet'] : [])]);
}

/** The step of the workflow that calls the program. */
function gateLine(steps: readonly (string | { readonly run?: string })[]): string {
  const lines = steps.map((step) => (typeof step === 'string' ? step : (step.run ?? '')));
  return lines.find((line) => line.includes('gmem-eval'))!.trim();
}
const githubLine = gateLine(parse(github).jobs.memory.steps);
const gitlabLine = gateLine(parse(gitlab).memory.script);

function change(by: (result: Result) => void): void {
  const result = JSON.parse(readFileSync(baseline, 'utf8')) as Result;
  by(result);
  writeFileSync(baseline, JSON.stringify(result));
}

beforeAll(async () => {
  mkdirSync(join(folder, 'ci'));
  expect(await does(shell[0])).toMatchObject({ status: 0, stderr: '' });
});

test('each workflow file has ten lines at most', () => {
  for (const text of [github, gitlab]) expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(10);
});

test('every command of the page runs, in its order, with the status that it says', async () => {
  expect(shell.length).toBeGreaterThanOrEqual(6);
  for (const line of shell) {
    const wanted = /# must end with status (\d)$/.exec(line)?.[1] ?? '0';
    expect((await does(line)).status, line).toBe(Number(wanted));
  }
  for (const name of ['comparison.json', 'benchmark.json']) expect(existsSync(join(folder, name)), name).toBe(true);
});

test('GitHub: passes, then fails with annotations and a summary', async () => {
  expect(await does(githubLine)).toMatchObject({ status: 0, stderr: '' });
  expect(readFileSync(join(folder, 'summary.md'), 'utf8')).toContain('### gmem-eval: no regression');
  change(({ runs }) => (runs[0].metrics['faults.device']! -= 1));
  const { status, stdout, stderr } = await does(githubLine);
  expect(status).toBe(1);
  expect(stdout).toMatch(/^::error title=cyclic\.csv[^:]*::faults\.device /);
  expect(stderr).toMatch(/^regression: 1 metric got worse: /);
  expect(readFileSync(join(folder, 'summary.md'), 'utf8')).toContain('### gmem-eval: regression');
  change(({ runs }) => (runs[0].metrics['faults.device']! += 1));
});

test('GitLab: the test report is there when the job fails, and has the published shape', async () => {
  change(({ runs }) => (runs[1].metrics.batches! -= 1));
  expect((await does(gitlabLine)).status).toBe(1);
  const text = readFileSync(join(folder, 'gmem-eval.xml'), 'utf8');
  const root = parseXml(text);
  expect([root.name, root.attributes['failures']]).toEqual(['testsuites', '1']);
  const cases = root.children.flatMap((suite) => {
    expect(suite.name).toBe('testsuite');
    for (const name of ['name', 'tests', 'failures', 'errors', 'skipped', 'time'])
      expect(suite.attributes).toHaveProperty(name);
    expect(suite.attributes['tests']).toBe(String(suite.children.length));
    return suite.children;
  });
  for (const c of cases) {
    expect(c.name).toBe('testcase');
    expect(Object.keys(c.attributes)).toEqual(['classname', 'name', 'time']);
  }
  const failed = cases.filter((c) => c.children.length > 0);
  expect(failed.map((c) => [c.attributes['name'], c.children[0].name])).toEqual([['batches', 'failure']]);
  // No time of day: again, and the bytes are the same.
  await does(gitlabLine);
  expect(readFileSync(join(folder, 'gmem-eval.xml'), 'utf8')).toBe(text);
  change(({ runs }) => (runs[1].metrics.batches! += 1));
});

test('the rules of the page are rules', () => {
  const rules = parseRules('gmem-eval.yaml', config, { metrics: METRIC_NAMES, models: modelNames() });
  expect(rules.map((rule) => rule.text)).toEqual(['0.5%', '16', 'any']);
});

test('what the page links to is there', () => {
  for (const [, path] of page.matchAll(/\]\((\.\.?\/[^)]+)\)/g))
    expect(existsSync(join(ROOT, 'docs', path)), path).toBe(true);
});
