/**
 * Remakes `docs/claims.md` from the traces in `traces/claims`. With `--check` nothing is written: the lines that differ
 * are printed and the status is 1.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { CLAIMS } from './claims/claims.ts';
import { claimsPage } from './claims/page.ts';

const PAGE = new URL('../docs/claims.md', import.meta.url);
const SHOWN = 20;

function readPage(): string {
  try {
    return readFileSync(PAGE, 'utf8');
  } catch {
    return '';
  }
}

/** Lines of one text that the other has not, in order. */
function only(text: string, other: string, mark: string): string[] {
  const there = new Set(other.split('\n'));
  return text.split('\n').flatMap((line) => (there.has(line) ? [] : [`${mark} ${line}`]));
}

const before = readPage();
const after = await claimsPage(CLAIMS);
if (before === after) console.log('docs/claims.md is as the program makes it');
else if (process.argv.includes('--check')) {
  const lines = [...only(before, after, '-'), ...only(after, before, '+')];
  for (const line of lines.slice(0, SHOWN)) console.log(line);
  if (lines.length > SHOWN) console.log(`... and ${lines.length - SHOWN} more`);
  console.log('docs/claims.md differs: run `npx tsx scripts/claims.ts` and commit what changed, with the reason');
  process.exitCode = 1;
} else {
  writeFileSync(PAGE, after);
  console.log('docs/claims.md written');
}
