import { visible } from '../report/text.ts';
import type { Io } from './io.ts';

export function warn(io: Io, text: string): void {
  io.stderr.write(`warning: ${visible(text)}\n`);
}
