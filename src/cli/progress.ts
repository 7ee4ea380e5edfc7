/** One line on a terminal's standard error: how far, how fast, how long still. Nothing where nobody watches. */

import type { Ora } from 'ora';
import { formatCount, formatDuration, visible } from '../report/text.ts';
import type { Io } from './io.ts';

export interface Progress {
  /** `of` = how much there will be, when that is known. */
  update(done: number, of?: number): void;
  stop(): void;
}

const SILENT: Progress = { update: () => {}, stop: () => {} };

export function startProgress(io: Io, quiet: boolean, what: string, unit: string): Progress {
  if (quiet || io.stderr.isTTY !== true) return SILENT;
  const stream = io.stderr as unknown as NodeJS.WriteStream;
  let spinner: Ora | null = null;
  let stopped = false;
  // Loaded beside the work that is shown.
  void import('ora').then(({ default: ora }) => {
    if (!stopped) spinner = ora({ text: visible(what), stream, discardStdin: false }).start();
  });
  const started = performance.now();
  return {
    update(done, of) {
      if (spinner === null) return;
      const seconds = (performance.now() - started) / 1000;
      const rate = seconds > 0 ? done / seconds : 0;
      const part = of !== undefined && of > 0 ? ` of ${formatCount(of)}` : '';
      const left =
        of !== undefined && rate > 0 ? `, ${formatDuration(Math.round(((of - done) / rate) * 1e9))} left` : '';
      spinner.text = visible(
        `${what}: ${formatCount(done)}${part} ${unit}, ${formatCount(Math.round(rate))} ${unit}/s${left}`,
      );
    },
    stop: () => {
      stopped = true;
      spinner?.stop();
    },
  };
}
