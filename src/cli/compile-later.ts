import { setFlagsFromString } from 'node:v8';

/** What this engine has by default. */
const BUDGET_BYTES = 67_584;
/** Others were not measured, and may know no such flag. */
const ENGINE = '11.3.';

/**
 * V8 compiles a function again, for speed, once it has run so many bytes of bytecode. Its measure suits programs that live
 * long: a job of a second or two spent a fifth of its time on compiling functions that hardly ran again, on processors
 * that its threads wanted. What runs for longer is compiled some milliseconds later. Loops in WebAssembly, which take most
 * of the time of reading, are not V8's to judge: little else is worth compiling there.
 */
const TIMES = { reading: 16, replaying: 4 } as const;

export function compileLater(work: keyof typeof TIMES): void {
  if (!process.versions.v8.startsWith(ENGINE)) return;
  setFlagsFromString(`--interrupt-budget=${TIMES[work] * BUDGET_BYTES}`);
}
