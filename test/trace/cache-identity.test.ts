/** What makes an entry of the cache another one, beside the trace: the code that reads. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { codeHash } from '../../src/trace/cache/identity.ts';
import { scratchFolder } from '../cli/harness.ts';

test('code is another one when a module changes, comes, goes or is renamed, and by nothing else', () => {
  const folder = scratchFolder();
  const at = (name: string): string => join(folder, name);
  mkdirSync(at('formats'));
  writeFileSync(at('index.ts'), 'one');
  writeFileSync(at('formats/csv.js'), 'two');
  const before = codeHash(folder);

  writeFileSync(at('formats/csv.d.ts'), 'a declaration');
  writeFileSync(at('notes.md'), 'prose');
  expect(codeHash(folder)).toBe(before);

  const seen = [before];
  const expectAnother = (): void => {
    const hash = codeHash(folder);
    expect(seen).not.toContain(hash);
    seen.push(hash);
  };
  writeFileSync(at('formats/csv.js'), 'Two');
  expectAnother();
  writeFileSync(at('formats/arrow.js'), 'three');
  expectAnother();
  renameSync(at('formats/arrow.js'), at('arrow.js'));
  expectAnother();
  rmSync(at('index.ts'));
  expectAnother();
});
