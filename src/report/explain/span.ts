import type { EventLine } from '../../replay/lane.ts';
import { PAGE_BYTES } from '../../replay/mask.ts';

/** Pages that a line of the event stream covers. */
export interface Span {
  readonly firstPage: number;
  readonly lastPage: number;
}

/** Null where the line has no place (an explicit copy). Addresses reach 2^57: the last three hex digits are read apart. */
export function spanOf({ addr, size }: Pick<EventLine, 'addr' | 'size'>): Span | null {
  if (addr === null) return null;
  const digits = addr.slice(2);
  const firstPage = digits.length > 3 ? Number.parseInt(digits.slice(0, -3), 16) : 0;
  const offsetBytes = Number.parseInt(digits.slice(-3), 16);
  return { firstPage, lastPage: firstPage + Math.floor((offsetBytes + Math.max(size, 1) - 1) / PAGE_BYTES) };
}

/** 0 without a place. */
export function pagesOf(line: Pick<EventLine, 'addr' | 'size'>): number {
  const span = spanOf(line);
  return span === null ? 0 : span.lastPage - span.firstPage + 1;
}
