/**
 * Compiles the kernel of the hit path (`kernel/rows.ts`, AssemblyScript) into `src/replay/kernel/wasm.ts`:
 * `npx tsx scripts/kernel.ts`.
 */
import { writeFileSync } from 'node:fs';
import { kernelModule } from './kernel/compile.ts';

writeFileSync(new URL('../src/replay/kernel/wasm.ts', import.meta.url), await kernelModule());
