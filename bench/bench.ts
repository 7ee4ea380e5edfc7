/**
 * `npm run bench`: all benchmarks. `npm run bench -- NAME...`: some of them. `--quick`: smaller sizes. `--write`: the
 * tables go into docs/performance.md and the plots into docs/performance, too.
 */

import { parseArgs } from 'node:util';
import { writeFigures, writeTables } from './document.ts';
import { type Benchmark, benchmarkNames, prepare } from './harness.ts';
import { plainTable } from './table.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, write: { type: 'boolean', default: false } },
});

const known = benchmarkNames();
const unknown = positionals.find((name) => !known.includes(name));
if (unknown !== undefined) throw new Error(`no benchmark "${unknown}"; known are ${known.join(', ')}`);
if (values.quick && values.write) throw new Error('--write with --quick: small sizes say too little to be kept');

const context = await prepare(values.quick);
for (const name of positionals.length > 0 ? positionals : known) {
  const { benchmark } = (await import(new URL(`./${name}.ts`, import.meta.url).href)) as { benchmark: Benchmark };
  console.log(`# ${name}: ${benchmark.title}\n`);
  const outcome = await benchmark.run(context);
  for (const table of outcome.tables) console.log(plainTable(table));
  if (values.write) {
    writeTables(name, outcome);
    await writeFigures(outcome.figures ?? {});
  }
}
