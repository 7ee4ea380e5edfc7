/** The text of `src/replay/kernel/wasm.ts`, made from the AssemblyScript source. */
import { readFileSync } from 'node:fs';
import asc from 'assemblyscript/asc';

const OPTIONS = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--noExportMemory'];

/** Throws with the compiler's messages when the source does not compile. */
export async function kernelModule(): Promise<string> {
  const source = readFileSync(new URL('../../kernel/rows.ts', import.meta.url), 'utf8');
  let wasm: Uint8Array | undefined;
  const { error, stderr } = await asc.main(['rows.ts', ...OPTIONS, '--outFile', 'rows.wasm'], {
    readFile: (name: string) => (name === 'rows.ts' ? source : null),
    writeFile: (name: string, contents: Uint8Array | string) => {
      if (name === 'rows.wasm' && typeof contents !== 'string') wasm = contents;
    },
    listFiles: () => [],
  });
  if (error || wasm === undefined) throw new Error(`kernel/rows.ts does not compile\n${stderr.toString()}`);
  return [
    '/** The kernel of the hit path in WebAssembly, base64. Made by `npx tsx scripts/kernel.ts` from `kernel/rows.ts`. */',
    'export const WASM =',
    `  '${Buffer.from(wasm).toString('base64')}';`,
    '',
  ].join('\n');
}
