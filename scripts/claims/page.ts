/** `docs/claims.md`: every claim with its source, command, numbers and verdict. */
import type { AnyClaim, Table, Verdict } from './claim.ts';
import { commandsOf, type Runs, runExperiments } from './experiment.ts';

const INTRODUCTION = [
  '# Claims about GMEM, put to the test',
  '',
  'GMEM was proposed to the Linux kernel in November 2023 and met objections. This page takes those claims, of both sides,',
  'that a memory trace can settle, and lets the models answer. It is made by `npx tsx scripts/claims.ts`; `--check` fails when',
  'a number or a verdict is not what the program gives now. A verdict is a predicate over the numbers in `scripts/claims/list`:',
  '*confirmed*, *refuted* or *mixed*. It judges the models, which are as good as `docs/models` says; what they cannot show',
  'stands with each claim. Claims are told in our words. The platform is `pcie4` where none is named, memory is',
  'unlimited, and a GMEM message, of which no latency was published, takes the 10 us assumed for a fault where it is not swept.',
  '',
];

export async function claimsPage(claims: readonly AnyClaim[]): Promise<string> {
  const sections: string[] = [];
  const summary: string[] = [];
  for (const claim of claims) {
    const runs = await runExperiments(claim.experiments);
    const verdict = claim.verdict(runs);
    summary.push(`| ${claim.id} | ${claim.title} | ${verdict.outcome} |`);
    sections.push(section(claim, runs, verdict));
  }
  return [...INTRODUCTION, '| | claim | verdict |', '|---|---|---|', ...summary, '', ...sections].join('\n');
}

function section(claim: AnyClaim, runs: Runs, verdict: Verdict): string {
  return [
    `## ${claim.id}: ${claim.title}`,
    '',
    `**Claim.** ${claim.claim}`,
    '',
    `**Source.** ${claim.source}`,
    '',
    `**Test.** ${claim.test}`,
    '',
    `**Verdict: ${verdict.outcome}.** ${verdict.sentence}`,
    '',
    ...claim.tables(runs).flatMap(tableLines),
    `**What would change it.** ${claim.changes}`,
    '',
    `**What the models cannot show.** ${claim.limits}`,
    '',
    '**Repeat it.**',
    '',
    '```sh',
    ...commandsOf(claim.experiments),
    '```',
    '',
  ].join('\n');
}

function tableLines({ title, head, rows }: Table): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [`${title}:`, '', line(head), line(head.map(() => '---')), ...rows.map(line), ''];
}
