/** The walls of ARCHITECTURE.md. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { allModels, modelNames } from '../src/replay/registry.ts';
import { comparisonFormatNames, loadComparisonFormat } from '../src/report/compare/registry.ts';
import { formatNames, loadFormat } from '../src/report/registry.ts';

const SRC = fileURLToPath(new URL('../src/', import.meta.url));

function sources(folder: string): string[] {
  return readdirSync(join(SRC, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(folder, file));
}

const code = (file: string): string => readFileSync(join(SRC, file), 'utf8');

/** Comments gone, strings kept: a model's name in a string is as bad as one in code. */
function withoutComments(text: string): string {
  return text.replace(/('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '$1');
}

/** Presets whose names mean something else as well. */
const PLAIN_WORDS = ['default', 'partial', 'legacy'];

test('comments are cut, code and strings stay', () => {
  expect(withoutComments("a /* uvm */ 'x // uvm' // uvm\n`/* b */`")).toBe("a  'x // uvm' \n`/* b */`");
});

test('no file of the core, the reader, the reports or the command line names a model', async () => {
  const names = (await allModels()).flatMap((m) => [m.name, ...Object.keys(m.presets)]);
  const vendors = ['ttm', 'nvidia', 'amd', 'ascend', 'nouveau', ...names.filter((n) => !PLAIN_WORDS.includes(n))];
  const pattern = new RegExp(`\\b(?:${vendors.join('|')})\\b`, 'i');
  const found: string[] = [];
  for (const file of ['replay', 'trace', 'report', 'cli'].flatMap(sources)) {
    for (const line of withoutComments(code(file)).split('\n')) {
      // The program's own name is no model.
      if (pattern.test(line.replaceAll('gmem-eval', ''))) found.push(`${file}: ${line.trim()}`);
    }
  }
  expect(found).toEqual([]);
});

/** What a model may stand on: the interface, data structures that know no vendor, Linux core MM, and types. */
const MODEL_MAY_IMPORT = [
  'replay/model.ts',
  'replay/faults.ts',
  'replay/mask.ts',
  'replay/metrics.ts',
  'replay/buffer-list.ts',
  'replay/interval-set.ts',
  'replay/page-tree.ts',
  'replay/linux-mm.ts',
  'replay/linux-mm/page-flags.ts',
  'replay/linux-mm/types.ts',
];
const TYPES_ONLY = ['platforms/platform.ts', 'trace/compiled.ts'];

test('a model imports its own files, the model interface, data structures of the core, and types', () => {
  const found: string[] = [];
  for (const file of sources('models')) {
    const own = file.split('/').slice(0, 2).join('/');
    for (const [, type, from] of code(file).matchAll(/^(?:import|export)( type)?[^;]*? from '([^']+)';/gm)) {
      const target = from.startsWith('.') ? relative(SRC, resolve(SRC, dirname(file), from)) : from;
      const allowed =
        target.startsWith(`${own}/`) ||
        MODEL_MAY_IMPORT.includes(target) ||
        (TYPES_ONLY.includes(target) && (type !== undefined || target === 'trace/compiled.ts'));
      if (!allowed) found.push(`${file}: ${target}`);
    }
  }
  expect(found).toEqual([]);
});

test('every model has a page of its own', () => {
  const pages = readdirSync(new URL('../docs/models/', import.meta.url));
  expect(modelNames().filter((name) => !pages.includes(`${name}.md`))).toEqual([]);
});

test('every module of a registry is named as its file', async () => {
  expect((await allModels()).map((m) => m.name).sort()).toEqual(modelNames());
  expect(formatNames()).toEqual(['csv', 'html', 'json', 'md', 'table']);
  for (const name of formatNames()) expect((await loadFormat(name)).name).toBe(name);
  for (const name of comparisonFormatNames()) expect((await loadComparisonFormat(name)).name).toBe(name);
});

test.each(['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md'])('every file that %s points to is there', (page) => {
  const text = readFileSync(join(SRC, '..', page), 'utf8');
  const links = [...text.matchAll(/\]\((?!http)([^)#]+)\)/g)].map(([, target]) => target);
  const paths = [...text.matchAll(/`((?:src|test|docs|traces|scripts|schema|reports)\/[\w./-]+)`/g)].map(
    ([, path]) => path,
  );
  const templates = /NAME|test\/models$/;
  const missing = [...links, ...paths].filter((path) => !templates.test(path) && !existsSync(join(SRC, '..', path)));
  expect(missing).toEqual([]);
});

/** Files and packages that are loaded with a file, following imports of values but not those made when needed. */
function loadedWith(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const [, from] of code(file).matchAll(/^(?:import|export)(?! type\b)[^;]*? from '([^']+)';/gm)) {
    if (from.startsWith('.')) loadedWith(relative(SRC, resolve(SRC, dirname(file), from)), seen);
    else seen.add(from);
  }
  return seen;
}

const packages = (files: Set<string>): string[] =>
  [...files].filter((name) => !name.endsWith('.ts') && !name.startsWith('node:')).sort();

test('run and its threads load what they need at once, and nothing else', () => {
  const program = loadedWith('cli/commands/run.ts', loadedWith('cli/main.ts'));
  expect(packages(program)).toEqual(['commander', 'flatbuffers']);
  expect([...program].filter((file) => /^(?:figures|models|report\/(?:compare|html|explain))\//.test(file))).toEqual(
    [],
  );
  expect(packages(loadedWith('cli/replay-worker.ts'))).toEqual([]);
});
