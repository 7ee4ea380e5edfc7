import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { anyClaim, type Claim } from '../../scripts/claims/claim.ts';
import { CLAIMS } from '../../scripts/claims/claims.ts';
import { commandsOf, runExperiments } from '../../scripts/claims/experiment.ts';
import { bytes, list, number } from '../../scripts/claims/numbers.ts';
import { claimsPage } from '../../scripts/claims/page.ts';
import type { Result } from '../../src/index.ts';
import { claimTraces } from '../../traces/claims/generate.ts';
import { gmemEval } from '../cli/harness.ts';

const folder = new URL('../../traces/claims/', import.meta.url);
const page = readFileSync(new URL('../../docs/claims.md', import.meta.url), 'utf8');

test('the folder holds what the generator writes', () => {
  const written = claimTraces();
  expect(
    readdirSync(folder)
      .filter((name) => name.endsWith('.csv'))
      .sort(),
  ).toEqual([...written.keys()].sort());
  for (const [name, text] of written) expect(readFileSync(new URL(name, folder), 'utf8')).toBe(text);
});

test('every trace is used, and every experiment has a trace and a key of its own', () => {
  const used = new Set(CLAIMS.flatMap((claim) => claim.experiments.map((e) => `${e.trace}.csv`)));
  expect([...used].sort()).toEqual([...claimTraces().keys()].sort());
  for (const { experiments } of CLAIMS) expect(new Set(experiments.map((e) => e.key)).size).toBe(experiments.length);
});

test('the page holds every claim with its commands', () => {
  for (const claim of CLAIMS) {
    expect(page).toContain(`## ${claim.id}: ${claim.title}\n`);
    for (const command of commandsOf(claim.experiments)) expect(page).toContain(command);
  }
});

test('commands: options in full, one loop for traces that share them', () => {
  expect(
    commandsOf([
      { key: 'a', trace: 'x' },
      { key: 'b', trace: 'y', models: ['uvm', 'hmm:nouveau'], set: ['uvm.prefetch=false', 'host.page=65536'] },
      { key: 'c', trace: 'z' },
      { key: 'd', trace: 'y', platform: 'gh200', oversub: [1.1, 2], inFlight: 1 },
    ]),
  ).toEqual([
    'for t in x z; do gmem-eval run traces/claims/$t.csv; done',
    'gmem-eval run traces/claims/y.csv -m uvm,hmm:nouveau --set uvm.prefetch=false --set host.page=65536',
    'gmem-eval run traces/claims/y.csv --platform gh200 --oversub 1.1,2 --in-flight 1',
  ]);
});

const experiment = { key: 'one', trace: 'file-io', models: ['gmem', 'uvm'], set: ['uvm.prefetch=false'] };
const HOME = 'migration.d2h.bytes';

/** A claim whose verdict is the number itself. */
const counted: Claim<number> = {
  id: 'H0',
  title: 'Bytes come home',
  claim: 'They do.',
  source: 'Nobody.',
  test: 'See.',
  experiments: [experiment],
  measure: (runs) => number(runs.get('one', 'gmem'), HOME),
  judge: (home) => ({ outcome: home > 0 ? 'confirmed' : 'refuted', sentence: `${bytes(home)} do.` }),
  tables: (runs) => [
    { title: 'Home', head: ['stack', 'bytes'], rows: [['gmem', bytes(number(runs.get('one', 'gmem'), HOME))]] },
  ],
  changes: 'Nothing.',
  limits: 'Much.',
};

test('a command prints the numbers that the verdict has', async () => {
  const runs = await runExperiments([experiment]);
  const [command] = commandsOf([experiment]);
  const { status, stdout } = await gmemEval([...command.split(' ').slice(1), '--format', 'json']);
  expect(status).toBe(0);
  const result = JSON.parse(stdout) as Result;
  expect(result.runs.map((r) => r.metrics)).toEqual([runs.get('one', 'gmem'), runs.get('one', 'uvm')]);
});

test('a page: summary, verdict, table, command', async () => {
  const text = await claimsPage([anyClaim(counted)]);
  expect(text).toContain('| H0 | Bytes come home | confirmed |\n');
  // Four events of one 2 MiB each.
  expect(text).toContain('**Verdict: confirmed.** 8 MiB do.\n');
  expect(text).toContain('Home:\n\n| stack | bytes |\n| --- | --- |\n| gmem | 8 MiB |\n');
  expect(text).toContain('```sh\ngmem-eval run traces/claims/file-io.csv -m gmem,uvm --set uvm.prefetch=false\n```\n');
});

test('what is not there is an error, never 0', async () => {
  const runs = await runExperiments([experiment]);
  expect(() => runs.get('two', 'gmem')).toThrow('no run of gmem');
  expect(() => runs.get('one', 'kfd')).toThrow('no run of kfd');
  expect(() => runs.get('one', 'gmem', 2)).toThrow('no run of gmem 2');
  expect(() => number(runs.get('one', 'gmem'), 'no.such')).toThrow('no number for no.such');
  await expect(runExperiments([experiment, experiment])).rejects.toThrow('experiment one stands twice');
});

test('numbers as text', () => {
  expect([0, 1023, 1024, 1.5 * 2 ** 20, 2 ** 40].map(bytes)).toEqual([
    '0 B',
    '1,023 B',
    '1 KiB',
    '1.5 MiB',
    '1,024 GiB',
  ]);
  expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(list)).toEqual(['', 'a', 'a and b', 'a, b and c']);
});
