/**
 * The engine compiles a loop for what it has seen there, and throws the code away when a row takes a way that no row has
 * taken before. So rows of all kinds go through the loop of plain rows in TypeScript once, before those of the first trace
 * that needs it.
 */

import { TraceCompiler } from './compiler.ts';
import { ReadMemory } from './kernel/memory.ts';
import { FIELD, RowScanner } from './row-scanner.ts';

const ROWS = [
  '7,gpu0,read,0x200000,64,,',
  '7,gpu0,read,0x200000,64,,',
  '7,gpu0,w,0x0200000,4096,5,',
  '12345,gpu0,a,0x000200fc0,12345,5,',
  '12345,gpu0,read,0x200000,128,12,',
  '123456,cpu,write,0x200000,128,12,',
  '1234567890123,cpu,write,0x200000,8,12,\r',
  '1234567890123,cpu,write,0x000000200000,8,12,\r',
];
const ROUNDS = 3;

let done = false;

export function rehearse(): void {
  if (done) return;
  done = true;
  const compiler = new TraceCompiler('rehearsal', new ReadMemory('plain'));
  const scanner = new RowScanner(compiler, () => {});
  compiler.begin({ time: true, thread: true });
  const gpu = compiler.actor('gpu0');
  scanner.columns([FIELD.time, FIELD.actor, FIELD.op, FIELD.addr, FIELD.size, FIELD.thread, FIELD.arg]);
  // The loop leaves the last rows of a piece alone.
  const text = Buffer.alloc(4096);
  for (let round = 0; round < ROUNDS; round++) {
    compiler.endNs = 0;
    compiler.launch(gpu, 0, -1);
    const length = text.write(`${ROWS.join('\n')}\n`);
    scanner.scan({ buffer: text.subarray(0, length), line: 1 });
  }
}
