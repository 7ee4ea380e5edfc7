/** Random valid traces: a list of templates, each made to fit what is allocated when its turn comes. */
import fc from 'fast-check';
import type { RecordObject } from '../helpers/mini-trace.ts';

const PAGE = 4096;
const BLOCK = 512;
const ACTORS = ['cpu', 'gpu0', 'gpu1', 'npu0'];

/** Places where allocations may be: two share a block, one is a whole block, some cross block borders, one covers three. */
const REGIONS = [
  { firstPage: BLOCK, pages: 20 },
  { firstPage: BLOCK + 20, pages: 10 },
  { firstPage: 3 * BLOCK - 12, pages: 30 },
  { firstPage: 5 * BLOCK, pages: BLOCK },
  { firstPage: 7 * BLOCK + 100, pages: 4 },
  { firstPage: 9 * BLOCK - 3, pages: BLOCK + 6 },
];

const small = fc.nat(11);

const template = fc.record({
  kind: fc.oneof(
    { weight: 30, arbitrary: fc.constant('access') },
    { weight: 3, arbitrary: fc.constantFrom('alloc', 'free') },
    { weight: 2, arbitrary: fc.constantFrom('launch', 'sync', 'prefetch', 'advise', 'copy', 'invalidate') },
  ),
  actor: fc.nat(11),
  op: fc.constantFrom('read', 'read', 'write', 'write', 'atomic'),
  dt: fc.constantFrom(0, 0, 0, 1, 300, 4_000, 11_000, 30_000),
  region: small,
  start: small,
  pages: fc.oneof(
    { weight: 30, arbitrary: fc.nat(2) },
    { weight: 5, arbitrary: fc.nat(40) },
    { weight: 1, arbitrary: fc.constant(1100) },
  ),
  offset: fc.constantFrom(0, 0, 0, 64, 1000, 4095),
  cut: fc.constantFrom(0, 0, 1, 100, 4000),
  thread: fc.constantFrom(null, null, 0, 1, 2),
  word: fc.nat(20),
});
type Template = typeof template extends fc.Arbitrary<infer T> ? T : never;

export interface TracePlan {
  /** Devices that may act, 1..3. */
  readonly devices: number;
  readonly explicit: boolean;
  readonly threads: boolean;
  /** Time stands still: everything at 0. */
  readonly timeless: boolean;
  /** Each access becomes a burst of small ones to a few pages, most of which hit. */
  readonly hot: boolean;
  readonly templates: readonly Template[];
}

export const tracePlan: fc.Arbitrary<TracePlan> = fc.record({
  devices: fc.integer({ min: 1, max: 3 }),
  explicit: fc.boolean(),
  threads: fc.boolean(),
  timeless: fc.boolean(),
  hot: fc.boolean(),
  templates: fc.array(template, { minLength: 1, maxLength: 70, size: 'max' }),
});

const PREFETCHES = (actors: readonly string[], word: number): string => actors[word % actors.length];
const ADVICES = [
  'read_mostly',
  'preferred:gpu0',
  'accessed_by:gpu0',
  'dontneed',
  'unset:read_mostly',
  'attr:x=1@gpu0',
  'attr:y',
];
const SORTS = ['numa', 'compaction', 'mprotect', 'fork', 'hostio'];

interface Span {
  firstPage: number;
  lastPage: number;
}

/** Live pages as maximal contiguous spans, whatever allocation they belong to. */
function spansOf(live: ReadonlySet<number>): Span[] {
  const spans: Span[] = [];
  for (const page of [...live].sort((a, b) => a - b)) {
    const last = spans.at(-1);
    if (last && last.lastPage === page - 1) last.lastPage = page;
    else spans.push({ firstPage: page, lastPage: page });
  }
  return spans;
}

export function recordsOf(plan: TracePlan): RecordObject[] {
  const actors = ACTORS.slice(0, plan.devices + 1);
  const records: RecordObject[] = [];
  const live = new Set<number>();
  let timeNs = 0;
  const add = (actor: string, op: string, more: Partial<RecordObject> = {}): void => {
    records.push({ timeNs: plan.timeless ? 0 : timeNs, actor, op, ...more });
  };
  const alloc = (actor: string, index: number): void => {
    const { firstPage, pages } = REGIONS[index % REGIONS.length];
    for (let p = firstPage; p < firstPage + pages; p++) if (live.has(p)) return;
    for (let p = firstPage; p < firstPage + pages; p++) live.add(p);
    if (plan.explicit) add(actor, 'alloc', { addr: firstPage * PAGE, size: pages * PAGE, arg: `r${index}` });
  };
  alloc('cpu', 0);
  alloc('cpu', 2);
  for (const t of plan.templates) {
    if (!plan.explicit) for (let i = 0; i < REGIONS.length; i++) alloc('cpu', i);
    timeNs += t.dt;
    const actor = actors[t.actor % actors.length];
    const device = actors[1 + (t.actor % plan.devices)];
    const spans = spansOf(live);
    if (t.kind === 'alloc' || spans.length === 0) {
      alloc(actor, t.region);
      continue;
    }
    const span = spans[t.region % spans.length];
    const room = span.lastPage - span.firstPage + 1;
    const firstPage = span.firstPage + ((t.start * 7) % room);
    const lastPage = Math.min(span.lastPage, firstPage + t.pages);
    const addr = firstPage * PAGE + t.offset;
    const size = Math.max(1, (lastPage + 1) * PAGE - addr - t.cut);
    const thread = plan.threads ? (t.thread ?? undefined) : undefined;
    if (t.kind === 'access' && plan.hot) {
      for (let i = 0; i <= t.word; i++) {
        const page = span.firstPage + ((t.start + i * i) % Math.min(room, 5));
        timeNs += i % 4 === 3 ? t.dt : 0;
        add(i % 5 === 4 ? device : actor, i % 7 === 6 ? 'write' : t.op, {
          addr: page * PAGE + t.offset,
          size: 1,
          thread,
        });
      }
    } else if (t.kind === 'access') add(actor, t.op, { addr, size, thread });
    else if (t.kind === 'launch' || t.kind === 'sync') add(device, t.kind);
    else if (t.kind === 'free' && plan.explicit) {
      const whole = t.word % 2 === 0;
      const [first, last] = whole ? [span.firstPage, span.lastPage] : [firstPage, lastPage];
      for (let p = first; p <= last; p++) live.delete(p);
      add(actor, 'free', { addr: first * PAGE, size: (last - first + 1) * PAGE });
    } else if (t.kind === 'prefetch') add(actor, t.kind, { addr, size, arg: PREFETCHES(actors, t.word) });
    else if (t.kind === 'advise')
      add(actor, t.kind, { addr, size: size + 100_000, arg: ADVICES[t.word % ADVICES.length] });
    else if (t.kind === 'invalidate') add('cpu', t.kind, { addr, size, arg: SORTS[t.word % SORTS.length] });
    else if (t.kind === 'copy') {
      const from = spans[t.word % spans.length];
      const bytes = Math.min(size, (from.lastPage - from.firstPage + 1) * PAGE);
      add(actor, t.kind, { addr, size: bytes, arg: '0x' + (from.firstPage * PAGE).toString(16) });
    }
  }
  return records;
}
