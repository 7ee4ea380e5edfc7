/** The command line in a process of its own, as a task: what it answers is dropped. */

import { main } from '../src/cli/main.ts';
import { cpuSeconds, type Sample } from './harness.ts';

const dropped = {
  write(_text: string, done?: () => void): boolean {
    done?.();
    return true;
  },
};

export const tasks = {
  async run(args: readonly string[]): Promise<Sample> {
    const status = await main(args, { stdout: dropped, stderr: process.stderr, env: process.env });
    if (status !== 0) throw new Error(`gmem-eval ${args.join(' ')}: exit status ${status}`);
    // From the start of the process, as its user waits.
    return { wallSeconds: performance.now() / 1000, cpuSeconds: cpuSeconds() };
  },
};
