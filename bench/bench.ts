/** All benchmarks: `npm run bench`. CPU time and ratios measured side by side; absolute numbers depend on the machine. */
console.log('reading and compiling against csv-parse alone (bench/read.ts)');
await import('./read.ts');
console.log('\nreplaying resident pages (bench/replay.ts)');
await import('./replay.ts');
