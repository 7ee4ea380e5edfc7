/** A process that runs one task of a benchmark and prints what it measured: `node child.js BENCHMARK TASK ARGUMENT`. */

import { readFileSync } from 'node:fs';
import type { Task } from './harness.ts';

const [name, task, argument] = process.argv.slice(2);
const { tasks } = (await import(new URL(`./${name}.js`, import.meta.url).href)) as { tasks: Record<string, Task> };
const sample = await tasks[task](JSON.parse(argument) as never);
process.stdout.write(`\n${JSON.stringify({ ...sample, peakRssBytes: peakRssBytes() })}\n`);

/** Of this program alone: what `getrusage` tells begins with the size of the process that started it. */
function peakRssBytes(): number {
  try {
    const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    if (kib !== null) return Number(kib[1]) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
