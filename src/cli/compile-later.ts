import { setFlagsFromString } from 'node:v8';

/** Four times what this engine has by default. */
const BUDGET_BYTES = 4 * 67_584;
/** Others were not measured, and may know no such flag. */
const ENGINE = '11.3.';

let done = false;

/**
 * V8 compiles a function again, for speed, once it has run so many bytes of bytecode. Its measure suits programs that live
 * long: a job of a second or two spent a fifth of its time on compiling functions that hardly ran again, on processors
 * that its threads wanted. What runs for longer is compiled some milliseconds later. The loop over hits is not V8's to judge.
 */
export function compileLater(): void {
  if (done || !process.versions.v8.startsWith(ENGINE)) return;
  done = true;
  setFlagsFromString(`--interrupt-budget=${BUDGET_BYTES}`);
}
