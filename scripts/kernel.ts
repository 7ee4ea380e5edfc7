/** Compiles the kernels (AssemblyScript in `kernel`) into modules of `src`: `npx tsx scripts/kernel.ts`. */
import { writeFileSync } from 'node:fs';
import { HIT_PATH, kernelModule, READING } from './kernel/compile.ts';

for (const kernel of [HIT_PATH, READING]) writeFileSync(kernel.module, await kernelModule(kernel));
