/** The texts of the modules in WebAssembly, made from the AssemblyScript sources in `kernel`. */
import { readFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const OPTIONS = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--noExportMemory'];
/** Memory whose views stay valid when it grows. */
const SHARED = ['--sharedMemory', '--maximumMemory', '65535', '--enable', 'threads', '--enable', 'simd'];

export interface Kernel {
  /** For the head of the module. */
  readonly title: string;
  /** In `kernel`: those whose exports are the module's, and what they import. */
  readonly sources: readonly string[];
  readonly parts?: readonly string[];
  readonly module: URL;
}

export const HIT_PATH: Kernel = {
  title: 'the hit path',
  sources: ['rows.ts', 'raise-faults.ts', 'mirror-faults.ts', 'complete-faults.ts'],
  parts: ['counting.ts', 'fault-frame.ts'],
  module: new URL('../../src/replay/kernel/wasm.ts', import.meta.url),
};

export const READING: Kernel = {
  title: 'reading traces',
  sources: ['plain-rows.ts', 'columns.ts', 'numbering.ts'],
  module: new URL('../../src/trace/kernel/wasm.ts', import.meta.url),
};

/** Throws with the compiler's messages when a source does not compile. */
export async function kernelModule({ title, sources, parts = [] }: Kernel): Promise<string> {
  const texts = new Map(
    [...sources, ...parts].map((name) => [
      name,
      readFileSync(new URL(`../../kernel/${name}`, import.meta.url), 'utf8'),
    ]),
  );
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main([...sources, ...OPTIONS, ...SHARED, '--outFile', 'out.wasm'], {
    readFile: (name: string) => texts.get(name) ?? null,
    writeFile: (name: string, contents: Uint8Array | string) => {
      if (name === 'out.wasm' && typeof contents !== 'string') wasm = contents;
    },
    listFiles: () => [],
  });
  const from = sources.map((name) => `\`kernel/${name}\``).join(', ');
  if (error || wasm === undefined) throw new Error(`${from} does not compile\n${stderr.toString()}`);
  return [
    `/** The kernel of ${title} in WebAssembly, base64. Made by \`npx tsx scripts/kernel.ts\` from ${from}. */`,
    'export const WASM =',
    `  '${Buffer.from(wasm).toString('base64')}';`,
    '',
  ].join('\n');
}
