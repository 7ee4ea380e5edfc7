/**
 * Joins the modules of the program into few files: one of 160 modules takes a tenth of a second longer to start. Constants
 * that a module has from another one are put in where they are used: V8 looks them up at each use.
 */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SRC = join(ROOT, 'src');

/** Below `src`: what is loaded by a name that is made up at run time. The folders are the registries. */
const LOADED_BY_NAME = new RegExp(
  `^(?:${[
    'index|cli/main|cli/replay-worker',
    'models/[^/]+(?:/index)?',
    'platforms/machines/[^/]+',
    '(?:trace|report|report/compare)/formats/[^/]+',
    'figures/kinds/[^/]+',
  ].join('|')})\\.ts$`,
);

function loadedByName(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => LOADED_BY_NAME.test(file));
}

/**
 * Writes the program to `outDir`. With `beside`, paths of other programs below the root of the project, `outDir` stands for
 * that root, and the program goes to its `src`.
 */
export async function joinModules(outDir: string, beside: readonly string[] = []): Promise<void> {
  const base = beside.length === 0 ? SRC : ROOT;
  await build({
    absWorkingDir: ROOT,
    entryPoints: [...loadedByName().map((file) => join('src', file)), ...beside],
    outbase: base,
    outdir: outDir,
    // What is shared lies beside the modules that ask `src/code.ts` where things are.
    chunkNames: join(relative(base, SRC), 'shared-[hash]'),
    bundle: true,
    splitting: true,
    minifySyntax: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
  });
}
